//! What is written is read back the same.

use std::path::{Path, PathBuf};

use proptest::option;
use proptest::prelude::*;

use super::parse;
use crate::config::{
    Convention, Dtype, EvalConfig, EvalEvery, FastInit, GradientForm, MethodConfig, MethodKind,
    MixedPrecision, ModelConfig, NonLinearity, OutputConfig, Placement, Pooling, Positions,
    PromptInit, Quirk, RunConfig, ScheduleKind, SlowWeights, SplitRule, StepForm, TaskConfig,
    TaskKind, TrainConfig, UpdateScale, Warmup, WatchConfig,
};

fn rate() -> impl Strategy<Value = f64> {
    prop_oneof![
        1e-12..1.0,
        Just(f64::MIN_POSITIVE),
        Just(0.1 + 0.2),
        Just(3e-4)
    ]
}

fn count() -> impl Strategy<Value = usize> {
    prop_oneof![1_usize..100, Just(usize::try_from(i64::MAX).unwrap())]
}

fn steps() -> impl Strategy<Value = u64> {
    count().prop_map(|n| n as u64)
}

fn word() -> impl Strategy<Value = String> {
    // Quotes, escapes, and what looks like other TOML.
    prop_oneof![
        "[a-zA-Zäß€\"'#= .{}\\[\\]]{0,12}[a-z]",
        Just("true".to_owned())
    ]
    .prop_filter("not with a space at its ends", |word| word.trim() == word)
}

fn file() -> impl Strategy<Value = PathBuf> {
    word().prop_map(|word| Path::new("/data").join(word))
}

fn model() -> impl Strategy<Value = ModelConfig> {
    let dtype = prop_oneof![Just(Dtype::F32), Just(Dtype::Bf16), Just(Dtype::F64)];
    let pooling = prop_oneof![
        Just(Pooling::Mean),
        Just(Pooling::Cls),
        Just(Pooling::Pooler)
    ];
    let device = prop_oneof![Just("auto"), Just("cpu"), Just("cuda:7")];
    let path = word().prop_map(|word| format!("/models/{word}"));
    let wanted = any::<(bool, bool, bool)>();
    (path, dtype, device, pooling, wanted).prop_map(|(path, dtype, device, pooling, wanted)| {
        let can = device != "cpu" && dtype != Dtype::F64;
        ModelConfig {
            path,
            dtype,
            device: device.to_owned(),
            pooling,
            frozen_dtype: wanted.2.then_some(Dtype::Bf16),
            tf32: can && wanted.0,
            cuda_kernels: can && wanted.1,
        }
    })
}

fn convention() -> impl Strategy<Value = Convention> {
    prop_oneof![Just(Convention::Paper), Just(Convention::Adapterhub)]
}

fn compacter() -> impl Strategy<Value = MethodConfig> {
    let slow = prop_oneof![Just(SlowWeights::Shared), Just(SlowWeights::Own)];
    let init = prop_oneof![Just(FastInit::GlorotUniform), Just(FastInit::Normal)];
    let place = prop_oneof![Just(Placement::Paper), Just(Placement::Adapterhub)];
    let positions = prop_oneof![Just(Positions::SelfAttention), Just(Positions::FeedForward)];
    (
        convention(),
        option::of((count(), count(), rate())),
        option::of((slow, any::<bool>(), init)),
        option::of((place, positions)),
        option::of(prop::collection::hash_set(0_usize..24, 0..5)),
    )
        .prop_map(
            |(convention, sizes, weights, place, leave_out)| MethodConfig {
                kind: MethodKind::CompacterPlusPlus,
                convention,
                n: sizes.map(|s| s.0),
                rank: sizes.map(|s| s.1),
                init_range: sizes.map(|s| s.2),
                non_linearity: sizes.map(|_| NonLinearity::Swish),
                slow: weights.map(|w| w.0),
                learn_slow: weights.map(|w| w.1),
                fast_init: weights.map(|w| w.2),
                placement: place.map(|p| p.0),
                positions: place.map(|p| p.1),
                leave_out: leave_out.map(|blocks| blocks.into_iter().collect()),
                ..MethodConfig::default()
            },
        )
}

fn method() -> impl Strategy<Value = MethodConfig> {
    let plain =
        (prop::sample::select(&MethodKind::ALL), convention()).prop_map(|(kind, c)| MethodConfig {
            convention: if kind.is_in_adapterhub() {
                c
            } else {
                Convention::Paper
            },
            ..MethodConfig::from_kind(kind)
        });
    let targets = prop::sample::subsequence(vec!["q", "k", "v", "o"], 1..=4);
    let lora = (count(), rate(), 0.0..1.0, targets).prop_map(|(rank, alpha, dropout, targets)| {
        MethodConfig {
            rank: Some(rank),
            alpha: Some(alpha),
            dropout: Some(dropout),
            targets: Some(targets.into_iter().map(str::to_owned).collect()),
            ..MethodConfig::from_kind(MethodKind::Lora)
        }
    });
    prop_oneof![plain, compacter(), lora, other_methods()]
}

/// Settings that neither Compacter nor `LoRA` has.
fn other_methods() -> impl Strategy<Value = MethodConfig> {
    let of = MethodConfig::from_kind;
    let gradient = prop_oneof![Just(GradientForm::Exact), Just(GradientForm::Released)];
    let init = prop_oneof![
        Just(PromptInit::Uniform),
        Just(PromptInit::Normal),
        Just(PromptInit::Vocab)
    ];
    prop_oneof![
        count().prop_map(move |drop_first| MethodConfig {
            drop_first: Some(drop_first),
            ..of(MethodKind::AdapterDrop)
        }),
        rate().prop_map(move |scale| MethodConfig {
            scale: Some(scale),
            ..of(MethodKind::Parallel)
        }),
        (count(), init, any::<bool>()).prop_map(move |(length, init, peft)| MethodConfig {
            length: Some(length),
            prompt_init: Some(init),
            placement: Some(if peft {
                Placement::Peft
            } else {
                Placement::Adapterhub
            }),
            ..of(match init {
                PromptInit::Vocab => MethodKind::PromptVocab,
                PromptInit::Uniform | PromptInit::Normal => MethodKind::Prompt,
            })
        }),
        (count(), 0_usize..100, any::<bool>()).prop_map(move |(length, bottleneck, peft)| {
            MethodConfig {
                length: Some(length),
                bottleneck: Some(bottleneck),
                placement: peft.then_some(Placement::Peft),
                ..of(MethodKind::Prefix)
            }
        }),
        (count(), gradient).prop_map(move |(dimension, gradient)| MethodConfig {
            dimension: Some(dimension),
            gradient: Some(gradient),
            ..of(MethodKind::Said)
        }),
    ]
}

fn task() -> impl Strategy<Value = TaskConfig> {
    let named = (word(), option::of(count())).prop_map(|(name, rows)| TaskConfig {
        name: Some(name),
        max_train_samples: rows,
        ..TaskConfig::default()
    });
    let columns = prop::collection::hash_set(word(), 1..4);
    let labels = prop::collection::hash_set(word(), 2..5);
    let files = (file(), option::of(file()), option::of(file()), rate());
    let described = (files, columns, option::of(labels), word()).prop_map(
        |((train, validation, test, fraction), text, labels, rest)| TaskConfig {
            kind: Some(TaskKind::Classification),
            train: Some(train),
            validation_fraction: validation.is_none().then_some(fraction),
            validation,
            test,
            text: text.into_iter().collect(),
            template: Some(format!("{{column}} \"quoted\"\n{rest}")),
            label: Some("the label".to_owned()),
            labels: labels.into_iter().flatten().collect(),
            ..TaskConfig::default()
        },
    );
    prop_oneof![named, described, benchmark()]
}

fn benchmark() -> impl Strategy<Value = TaskConfig> {
    let split = prop_oneof![Just(SplitRule::Paper), Just(SplitRule::Official)];
    (
        option::of(file().prop_map(|path| path.to_str().unwrap().to_owned())),
        option::of(split),
        option::of(0..=i64::MAX as u64),
        option::of(any::<bool>()),
        prop::sample::subsequence(Quirk::ALL.to_vec(), 0..=Quirk::ALL.len()),
    )
        .prop_map(|(source, split, data_seed, prefix, quirks)| TaskConfig {
            name: Some("glue/mnli".to_owned()),
            source,
            split,
            data_seed,
            prefix,
            quirks,
            ..TaskConfig::default()
        })
}

fn train() -> impl Strategy<Value = TrainConfig> {
    let warmup = prop_oneof![
        (0..=i64::MAX as u64).prop_map(Warmup::Steps),
        (0.0..=100.0).prop_map(Warmup::Percent)
    ];
    let schedule = prop_oneof![
        Just(ScheduleKind::Linear),
        Just(ScheduleKind::Cosine),
        Just(ScheduleKind::Constant)
    ];
    let step = prop_oneof![
        Just(StepForm::Auto),
        Just(StepForm::Fused),
        Just(StepForm::Composed)
    ];
    let scale = prop_oneof![Just(UpdateScale::Absolute), Just(UpdateScale::Rms)];
    (
        (0..=i64::MAX as u64, rate(), option::of(steps()), count()),
        (option::of(rate()), schedule, warmup, 0.0..1.0),
        (rate(), option::of(0.0..1.0), count(), steps()),
        (
            count(),
            0_usize..=1024,
            any::<bool>(),
            scale,
            step,
            any::<bool>(),
            prop_oneof![Just(MixedPrecision::No), Just(MixedPrecision::Bf16)],
        ),
    )
        .prop_map(|(a, b, c, d)| TrainConfig {
            seed: a.0,
            epochs: a.1,
            max_steps: a.2,
            batch_size: a.3,
            learning_rate: b.0,
            schedule: b.1,
            warmup: b.2,
            weight_decay: b.3,
            clip_norm: c.0,
            dropout: c.1,
            accumulation: c.2,
            checkpoint_every: c.3,
            max_skipped: d.0,
            threads: d.1,
            length_buckets: d.2,
            update_scale: d.3,
            step: d.4,
            gradient_checkpointing: d.5,
            mixed_precision: d.6,
        })
}

fn eval() -> impl Strategy<Value = EvalConfig> {
    let every = prop_oneof![Just(EvalEvery::Epoch), steps().prop_map(EvalEvery::Steps)];
    let patience = prop_oneof![Just(0), count()];
    (every, patience, option::of(count()), option::of(word())).prop_map(
        |(every, patience, batch_size, metric)| EvalConfig {
            every,
            patience,
            batch_size,
            metric,
        },
    )
}

fn config() -> impl Strategy<Value = RunConfig> {
    let output = (word(), steps(), any::<bool>(), option::of(word()));
    let output = output.prop_map(
        |(directory, log_every, tensorboard, on_finish)| OutputConfig {
            directory: directory.into(),
            log_every,
            tensorboard,
            on_finish,
        },
    );
    let watch =
        prop_oneof![Just(0), steps()].prop_map(|factors_every| WatchConfig { factors_every });
    let rest = (eval(), output, watch);
    (word(), model(), method(), task(), train(), rest)
        .prop_map(
            |(name, model, method, task, train, (eval, output, watch))| RunConfig {
                name,
                model,
                method,
                task,
                train,
                eval,
                output,
                watch,
            },
        )
        .prop_map(without_what_excludes_itself)
}

/// Leaves out number formats that do not go with the rest.
fn without_what_excludes_itself(mut config: RunConfig) -> RunConfig {
    let full = config.method.kind == MethodKind::Full;
    if full {
        config.model.frozen_dtype = None;
    }
    let model = &config.model;
    let on_cpu = model.dtype == Dtype::F32 && !model.device.starts_with("cuda");
    if full || !on_cpu || config.train.step == StepForm::Composed {
        config.train.mixed_precision = MixedPrecision::No;
    }
    config
}

proptest! {
    #[test]
    fn a_configuration_written_as_toml_is_read_back_the_same(config in config()) {
        config.validate().unwrap();
        let text = config.to_toml();
        prop_assert_eq!(parse(&text, &[]).unwrap(), config, "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-z\\[\\]={}\"'.#\n 0-9ä-]{0,60}") {
        let _: Result<_, _> = parse(&text, &[&text]);
    }
}
