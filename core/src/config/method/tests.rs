//! The presets, against the paper's and the libraries' settings.
#![expect(clippy::unwrap_used, reason = "tests")]

mod places;

use super::*;

fn resolved(kind: MethodKind, convention: Convention) -> Method {
    let config = MethodConfig {
        convention,
        ..MethodConfig::from_kind(kind)
    };
    config.resolve().unwrap()
}

fn bottleneck(positions: Positions) -> BottleneckConfig {
    BottleneckConfig {
        reduction_factor: 32,
        non_linearity: NonLinearity::GeluNew,
        placement: Placement::Paper,
        positions,
        train_layer_norms: true,
        leave_out: vec![],
        drop_first: 0,
    }
}

fn phm() -> PhmConfig {
    PhmConfig {
        n: 4,
        rank: 1,
        slow: SlowWeights::Shared,
        learn_slow: true,
        fast: FastWeights::Factored,
        fast_init: FastInit::GlorotUniform,
        slow_init: SlowInit::Normal,
        init_range: 1e-4,
    }
}

#[test]
fn the_presets_are_the_reference_implementations_configurations() {
    let paper = |kind| resolved(kind, Convention::Paper);
    let both = bottleneck(Positions::Both);
    assert_eq!(paper(MethodKind::Full), Method::Full);
    assert_eq!(paper(MethodKind::Head), Method::Head);
    let adapter = Method::Adapter {
        bottleneck: both.clone(),
        init_std: 0.01,
    };
    assert_eq!(paper(MethodKind::Adapter), adapter);
    let compacter = Method::Compacter {
        bottleneck: both,
        phm: phm(),
    };
    assert_eq!(paper(MethodKind::Compacter), compacter);
    let plus_plus = Method::Compacter {
        bottleneck: bottleneck(Positions::FeedForward),
        phm: phm(),
    };
    assert_eq!(paper(MethodKind::CompacterPlusPlus), plus_plus);
    let lora = LoraConfig {
        rank: 8,
        alpha: 16.0,
        targets: vec!["q".to_owned(), "v".to_owned()],
        dropout: 0.0,
    };
    assert_eq!(paper(MethodKind::Lora), Method::Lora(lora));
}

#[test]
fn the_other_presets_are_adapterhubs_as_it_runs() {
    let hub = |kind| resolved(kind, Convention::Adapterhub);
    let frozen = |positions, non_linearity| BottleneckConfig {
        non_linearity,
        placement: Placement::Adapterhub,
        train_layer_norms: false,
        ..bottleneck(positions)
    };
    let adapter = Method::Adapter {
        bottleneck: BottleneckConfig {
            reduction_factor: 16,
            ..frozen(Positions::Both, NonLinearity::Swish)
        },
        init_std: 0.02,
    };
    assert_eq!(hub(MethodKind::Adapter), adapter);
    for (kind, positions) in [
        (MethodKind::Compacter, Positions::Both),
        (MethodKind::CompacterPlusPlus, Positions::FeedForward),
    ] {
        let expected = Method::Compacter {
            bottleneck: frozen(positions, NonLinearity::Gelu),
            phm: PhmConfig {
                fast_init: FastInit::XavierNormal,
                ..phm()
            },
        };
        assert_eq!(hub(kind), expected);
    }
    assert!(
        matches!(hub(MethodKind::Lora), Method::Lora(lora) if (lora.rank, lora.alpha.to_bits()) == (8, 8.0_f64.to_bits()))
    );
}

#[test]
fn slow_weights_of_ones_own_start_from_the_references_fixed_scale() {
    let mut config = MethodConfig {
        slow: Some(SlowWeights::Own),
        ..MethodConfig::default()
    };
    let scale = |config: &MethodConfig| match config.resolve().unwrap() {
        Method::Compacter { phm, .. } => phm.init_range,
        other => panic!("{other:?}"),
    };
    assert_eq!(scale(&config).to_bits(), 0.01_f64.to_bits());
    config.init_range = Some(0.5);
    assert_eq!(scale(&config).to_bits(), 0.5_f64.to_bits());
}

#[test]
fn every_setting_that_a_kind_has_overrides_its_preset() {
    let text = "kind = 'compacter'\nn = 2\nrank = 3\nreduction_factor = 4\nnon_linearity = 'relu'\n\
                placement = 'adapterhub'\npositions = 'self-attention'\nslow = 'own'\n\
                learn_slow = false\nfast = 'factored'\nfast_init = 'normal'\nslow_init = 'uniform'\n\
                init_range = 0.5\ntrain_layer_norms = false\nleave_out = [0, 3]\n";
    let config: MethodConfig = toml::from_str(text).unwrap();
    let expected = Method::Compacter {
        bottleneck: BottleneckConfig {
            reduction_factor: 4,
            non_linearity: NonLinearity::Relu,
            placement: Placement::Adapterhub,
            positions: Positions::SelfAttention,
            train_layer_norms: false,
            leave_out: vec![0, 3],
            drop_first: 0,
        },
        phm: PhmConfig {
            n: 2,
            rank: 3,
            slow: SlowWeights::Own,
            learn_slow: false,
            fast: FastWeights::Factored,
            fast_init: FastInit::Normal,
            slow_init: SlowInit::Uniform,
            init_range: 0.5,
        },
    };
    assert_eq!(config.resolve().unwrap(), expected);
    assert_eq!(
        text.lines().count() - 1,
        MethodKind::Compacter.settings().len()
    );
}

#[test]
fn default_learning_rates_are_the_reference_implementations() {
    for (kind, rate) in [
        (MethodKind::Full, 3e-4_f64),
        (MethodKind::Adapter, 3e-4),
        (MethodKind::Pfeiffer, 3e-4),
        (MethodKind::AdapterDrop, 3e-4),
        (MethodKind::BitFit, 3e-4),
        (MethodKind::LowRank, 3e-3),
        (MethodKind::Phm, 3e-3),
        (MethodKind::Compacter, 3e-3),
        (MethodKind::CompacterPlusPlus, 3e-3),
        (MethodKind::Prompt, 3e-2),
        (MethodKind::PromptVocab, 3e-1),
        (MethodKind::Said, 3e-2),
    ] {
        assert_eq!(
            kind.default_learning_rate().to_bits(),
            rate.to_bits(),
            "{kind}"
        );
    }
    // Those that it does not have.
    for (kind, rate) in [
        (MethodKind::Head, 1e-2_f64),
        (MethodKind::Lora, 2e-3),
        (MethodKind::Dora, 2e-3),
        (MethodKind::Ia3, 3e-3),
    ] {
        assert_eq!(
            kind.default_learning_rate().to_bits(),
            rate.to_bits(),
            "{kind}"
        );
    }
}

#[test]
fn the_other_methods_of_the_comparison_have_the_reference_implementations_settings() {
    let paper = |kind| resolved(kind, Convention::Paper);
    let adapter = |bottleneck| Method::Adapter {
        bottleneck,
        init_std: 0.01,
    };
    let one = bottleneck(Positions::SelfAttention);
    assert_eq!(paper(MethodKind::Pfeiffer), adapter(one));
    let dropped = BottleneckConfig {
        drop_first: 5,
        ..bottleneck(Positions::Both)
    };
    assert_eq!(paper(MethodKind::AdapterDrop), adapter(dropped));
    let low_rank = Method::LowRank {
        bottleneck: bottleneck(Positions::Both),
        rank: 1,
    };
    assert_eq!(paper(MethodKind::LowRank), low_rank);
    let phm = Method::Compacter {
        bottleneck: bottleneck(Positions::Both),
        phm: PhmConfig {
            n: 12,
            slow: SlowWeights::Own,
            fast: FastWeights::Dense,
            init_range: 0.01,
            ..phm()
        },
    };
    assert_eq!(paper(MethodKind::Phm), phm);
    let prompt = |length, init| {
        Method::Prompt(PromptConfig {
            length,
            init,
            placement: Placement::Adapterhub,
        })
    };
    assert_eq!(paper(MethodKind::Prompt), prompt(100, PromptInit::Uniform));
    let vocab = prompt(100, PromptInit::Vocab);
    assert_eq!(paper(MethodKind::PromptVocab), vocab);
    let said = SaidConfig {
        dimension: 20_000,
        gradient: GradientForm::Exact,
    };
    assert_eq!(paper(MethodKind::Said), Method::Said(said));
    assert_eq!(paper(MethodKind::BitFit), Method::BitFit);
    let released =
        |kind| matches!(paper(kind), Method::Dora(dora) if dora.gradient == GradientForm::Released);
    assert!(released(MethodKind::Dora));
}

#[test]
fn adapterhubs_presets_of_the_other_methods_are_its_own() {
    let hub = |kind| resolved(kind, Convention::Adapterhub);
    let plain = BottleneckConfig {
        reduction_factor: 16,
        non_linearity: NonLinearity::Relu,
        placement: Placement::Adapterhub,
        train_layer_norms: false,
        ..bottleneck(Positions::FeedForward)
    };
    let pfeiffer = Method::Adapter {
        bottleneck: plain.clone(),
        init_std: 0.02,
    };
    assert_eq!(hub(MethodKind::Pfeiffer), pfeiffer);
    let parallel = Method::Parallel {
        bottleneck: BottleneckConfig {
            reduction_factor: 2,
            ..plain
        },
        scale: 4.0,
    };
    assert_eq!(hub(MethodKind::Parallel), parallel);
    let prefix = PrefixConfig {
        length: 30,
        bottleneck: 512,
        placement: Placement::Adapterhub,
    };
    assert_eq!(hub(MethodKind::Prefix), Method::Prefix(prefix));
    let prompt = PromptConfig {
        length: 10,
        init: PromptInit::Uniform,
        placement: Placement::Adapterhub,
    };
    assert_eq!(hub(MethodKind::Prompt), Method::Prompt(prompt));
    let placement = Placement::Adapterhub;
    assert_eq!(hub(MethodKind::Ia3), Method::Ia3 { placement });
    let exact =
        |kind| matches!(hub(kind), Method::Dora(dora) if dora.gradient == GradientForm::Exact);
    assert!(exact(MethodKind::Dora));
}

#[test]
fn a_convention_that_a_method_does_not_have_is_refused_by_name() {
    for kind in MethodKind::ALL {
        let config = MethodConfig {
            convention: Convention::Adapterhub,
            ..MethodConfig::from_kind(kind)
        };
        let resolved = config.resolve();
        assert_eq!(resolved.is_ok(), kind.is_in_adapterhub(), "{kind}");
        if let Err(error) = resolved {
            let text = error.to_string();
            assert!(
                text.contains(&format!("AdapterHub has no `{kind}`")),
                "{text}"
            );
        }
    }
}

#[test]
fn a_kind_takes_its_own_settings_and_refuses_all_others_by_name() {
    let values = [
        ("n", "2"),
        ("rank", "2"),
        ("reduction_factor", "4"),
        ("non_linearity", "'relu'"),
        ("placement", "'paper'"),
        ("positions", "'both'"),
        ("slow", "'own'"),
        ("learn_slow", "false"),
        ("fast", "'factored'"),
        ("fast_init", "'normal'"),
        ("slow_init", "'normal'"),
        ("init_range", "0.5"),
        ("train_layer_norms", "true"),
        ("leave_out", "[0]"),
        ("drop_first", "1"),
        ("scale", "2.0"),
        ("alpha", "2.0"),
        ("targets", "['q']"),
        ("dropout", "0.1"),
        ("length", "3"),
        ("prompt_init", "'normal'"),
        ("bottleneck", "0"),
        ("dimension", "100"),
        ("gradient", "'exact'"),
    ];
    for kind in MethodKind::ALL {
        for (key, value) in values {
            // A rank has no effect on whole fast weights.
            let whole = if (kind, key) == (MethodKind::Phm, "rank") {
                "fast = 'factored'\n"
            } else {
                ""
            };
            // Prompts have other places.
            let value = match (kind, key) {
                (MethodKind::Prompt | MethodKind::PromptVocab, "placement") => "'peft'",
                _ => value,
            };
            let text = format!("kind = '{kind}'\n{whole}{key} = {value}\n");
            let config: MethodConfig = toml::from_str(&text).unwrap();
            let resolved = config.resolve();
            let has = kind.settings().contains(&key);
            assert_eq!(resolved.is_ok(), has, "{text}{resolved:?}");
            if let Err(error) = resolved {
                let found = error.to_string();
                assert!(found.contains(&format!("method.{key}")), "{found}");
            }
        }
        let known = |key: &&str| values.iter().any(|(known, _)| known == key);
        assert!(kind.settings().iter().all(known), "{kind}");
    }
}

#[test]
fn a_kinds_name_is_read_back_and_a_misspelt_one_gets_a_hint() {
    for kind in MethodKind::ALL {
        assert_eq!(kind.to_string().parse::<MethodKind>().unwrap(), kind);
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    let error = "compactor".parse::<MethodKind>().unwrap_err().to_string();
    assert!(error.contains("did you mean `compacter`?"), "{error}");
}

#[test]
fn a_setting_that_cannot_be_used_is_refused_by_resolve_too() {
    let config = MethodConfig {
        n: Some(4),
        ..MethodConfig::from_kind(MethodKind::Lora)
    };
    assert_eq!(
        config.resolve().unwrap_err().to_string(),
        "method: method.n: `lora` has no such setting; it has rank, alpha, targets, dropout"
    );
}
