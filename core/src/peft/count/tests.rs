//! Every row of the paper's tables, and what other libraries count on real models.
#![expect(clippy::unwrap_used, reason = "tests")]

mod presets;

use super::*;
use crate::config::{
    BottleneckConfig, FastInit, FastWeights, LoraConfig, NonLinearity, PhmConfig, Placement,
    Positions, SlowInit, SlowWeights,
};

fn model(name: &str) -> ModelShape {
    ModelShape::named(name).unwrap()
}

/// The paper's adapters: after both sub-layers, layer norms trained.
fn paper(reduction_factor: usize) -> BottleneckConfig {
    BottleneckConfig {
        reduction_factor,
        non_linearity: NonLinearity::GeluNew,
        placement: Placement::Paper,
        positions: Positions::Both,
        train_layer_norms: true,
        leave_out: Vec::new(),
        drop_first: 0,
    }
}

fn at(positions: Positions, bottleneck: BottleneckConfig) -> BottleneckConfig {
    BottleneckConfig {
        positions,
        ..bottleneck
    }
}

/// `AdapterHub` leaves the backbone's layer norms alone.
fn frozen_norms(bottleneck: BottleneckConfig) -> BottleneckConfig {
    BottleneckConfig {
        train_layer_norms: false,
        ..bottleneck
    }
}

/// Shared slow weights and fast weights of rank 1.
fn phm(n: usize) -> PhmConfig {
    PhmConfig {
        n,
        rank: 1,
        slow: SlowWeights::Shared,
        learn_slow: true,
        fast: FastWeights::Factored,
        fast_init: FastInit::GlorotUniform,
        slow_init: SlowInit::Normal,
        init_range: 1e-4,
    }
}

/// The paper's PHM-Adapter: nothing is shared, nothing factored.
fn whole_phm(n: usize) -> PhmConfig {
    PhmConfig {
        slow: SlowWeights::Own,
        fast: FastWeights::Dense,
        ..phm(n)
    }
}

fn adapter(bottleneck: BottleneckConfig) -> Method {
    Method::Adapter {
        bottleneck,
        init_std: 0.01,
    }
}

fn compacter(bottleneck: BottleneckConfig, phm: PhmConfig) -> Method {
    Method::Compacter { bottleneck, phm }
}

fn lora(rank: usize, targets: &[&str]) -> Method {
    Method::Lora(LoraConfig {
        rank,
        alpha: 16.0,
        targets: targets.iter().map(|t| (*t).to_owned()).collect(),
        dropout: 0.0,
    })
}

fn preset(table: &str) -> Method {
    let config: crate::config::MethodConfig = toml::from_str(table).unwrap();
    config.resolve().unwrap()
}

fn trainable(method: &Method, shape: &ModelShape) -> usize {
    let counted = count(method, shape).unwrap();
    let groups: usize = counted.groups.iter().map(|group| group.count).sum();
    assert_eq!(counted.trainable, groups);
    counted.trainable
}

fn refusal(method: &Method, name: &str) -> String {
    count(method, &model(name)).unwrap_err().to_string()
}

#[test]
fn full_fine_tuning_trains_the_whole_model() {
    for (name, total) in [
        ("t5-base", 222_903_552),
        ("t5-small", 60_506_624),
        ("google/flan-t5-base", 247_577_856),
        ("bert-base-uncased", 109_482_240),
        ("roberta-base", 124_645_632),
        ("all-MiniLM-L6-v2", 22_713_216),
    ] {
        let counted = count(&Method::Full, &model(name)).unwrap();
        assert_eq!((counted.trainable, counted.total), (total, total), "{name}");
        assert!((counted.percent - 100.0).abs() < 1e-12, "{name}");
    }
    // The authors cut the embedding to the tokenizer's 32,100 tokens.
    let authors = model("t5-base").with_vocab(32_100);
    assert_eq!(trainable(&Method::Full, &authors), 222_882_048);
}

#[test]
fn adapters_on_t5_base_count_as_in_the_paper() {
    let t5 = model("t5-base");
    // AdapterDrop: nothing in the first five blocks of both stacks.
    let dropped = |reduction| BottleneckConfig {
        leave_out: (0..5).chain(12..17).collect(),
        ..paper(reduction)
    };
    for (reduction, houlsby, pfeiffer, drop) in [
        (32, 1_855_104, 951_360, 1_101_984),
        (16, 3_625_728, 1_836_672, 2_134_848),
        (8, 7_166_976, 3_607_296, 4_200_576),
    ] {
        assert_eq!(trainable(&adapter(paper(reduction)), &t5), houlsby);
        // The paper's Pfeiffer adapter stands after self-attention, AdapterHub's after
        // the feed-forward: as many either way.
        for positions in [Positions::SelfAttention, Positions::FeedForward] {
            let one = adapter(at(positions, paper(reduction)));
            assert_eq!(trainable(&one, &t5), pfeiffer);
        }
        assert_eq!(trainable(&adapter(dropped(reduction)), &t5), drop);
    }
}

#[test]
fn hypercomplex_adapters_on_t5_base_count_as_in_the_paper() {
    let t5 = model("t5-base");
    let plus_plus = |reduction| at(Positions::FeedForward, paper(reduction));
    for (n, whole, both, feed_forward) in [
        (4, 534_144, 161_728, 104_704),
        (8, 355_968, 162_176, 105_152),
        (12, 398_976, 163_392, 106_368),
    ] {
        assert_eq!(trainable(&compacter(paper(32), whole_phm(n)), &t5), whole);
        assert_eq!(trainable(&compacter(paper(32), phm(n)), &t5), both);
        let plus_plus = compacter(plus_plus(32), phm(n));
        assert_eq!(trainable(&plus_plus, &t5), feed_forward);
    }
    for (reduction, both, feed_forward) in [(16, 165_184, 106_432), (8, 172_096, 109_888)] {
        assert_eq!(trainable(&compacter(paper(reduction), phm(4)), &t5), both);
        let plus_plus = compacter(plus_plus(reduction), phm(4));
        assert_eq!(trainable(&plus_plus, &t5), feed_forward);
    }
}

#[test]
fn t5_small_counts_as_in_the_paper() {
    let t5 = model("t5-small");
    let at = |positions| at(positions, paper(32));
    for (method, expected) in [
        (adapter(paper(32)), 422_272),
        (adapter(at(Positions::SelfAttention)), 219_328),
        (compacter(paper(32), whole_phm(4)), 130_432),
        (compacter(paper(32), phm(4)), 54_464),
        (compacter(at(Positions::FeedForward), phm(4)), 35_456),
    ] {
        assert_eq!(trainable(&method, &t5), expected, "{method:?}");
    }
}

#[test]
fn percentages_are_those_of_the_paper() {
    let t5 = model("t5-base");
    let plus_plus = at(Positions::FeedForward, paper(32));
    for (method, percent) in [
        (adapter(paper(32)), 0.832),
        (compacter(paper(32), whole_phm(12)), 0.179),
        (compacter(paper(32), phm(4)), 0.073),
        (compacter(plus_plus.clone(), phm(4)), 0.047),
        (compacter(plus_plus, phm(12)), 0.048),
    ] {
        let counted = count(&method, &t5).unwrap();
        // Half of the last digit printed.
        assert!((counted.percent - percent).abs() < 5e-4, "{counted:?}");
    }
}

#[test]
fn adapterhub_and_peft_count_the_same() {
    let hub = |reduction| frozen_norms(paper(reduction));
    let feed_forward = |reduction| at(Positions::FeedForward, hub(reduction));
    for (name, method, expected) in [
        ("t5-base", compacter(hub(32), phm(4)), 114_112),
        ("t5-base", compacter(feed_forward(32), phm(4)), 57_088),
        ("bert-base-uncased", compacter(hub(32), phm(4)), 57_088),
        (
            "bert-base-uncased",
            compacter(feed_forward(32), phm(4)),
            28_576,
        ),
        ("all-MiniLM-L6-v2", compacter(hub(32), phm(4)), 14_320),
        (
            "all-MiniLM-L6-v2",
            compacter(feed_forward(32), phm(4)),
            7_192,
        ),
        ("all-MiniLM-L6-v2", adapter(hub(16)), 226_080),
        ("all-MiniLM-L6-v2", adapter(feed_forward(16)), 113_040),
        ("all-MiniLM-L6-v2", lora(8, &["q", "v"]), 73_728),
        ("bert-base-uncased", lora(8, &["q", "v"]), 294_912),
        // Self-attention of both stacks and cross-attention.
        ("t5-base", lora(8, &["q", "v"]), 884_736),
        // 6 heads of 64 on a width of 512: not square.
        ("google/flan-t5-small", lora(8, &["q", "v"]), 344_064),
    ] {
        assert_eq!(
            trainable(&method, &model(name)),
            expected,
            "{name} {method:?}"
        );
    }
}

#[test]
fn every_option_of_compacter_changes_its_count_as_it_should() {
    let t5 = model("t5-base");
    let of = |phm| trainable(&compacter(paper(32), phm), &t5);
    let base = of(phm(4));
    let frozen = PhmConfig {
        learn_slow: false,
        ..phm(4)
    };
    assert_eq!(base - of(frozen), 64, "frozen slow weights do not count");
    let own = PhmConfig {
        slow: SlowWeights::Own,
        ..phm(4)
    };
    assert_eq!(
        of(own) - base,
        95 * 64,
        "one set for each of 96 projections"
    );
    let rank_three = PhmConfig { rank: 3, ..phm(4) };
    assert_eq!(of(rank_three) - base, 2 * 48 * 2 * (768 + 24));
    let dense = PhmConfig {
        fast: FastWeights::Dense,
        ..phm(4)
    };
    assert_eq!(of(dense) - base, 48 * 2 * (768 * 24 / 4 - (768 + 24)));
}

#[test]
fn groups_say_how_their_number_comes_about() {
    let method = compacter(paper(32), phm(4));
    let lines = |name| -> Vec<String> {
        let groups = count(&method, &model(name)).unwrap().groups;
        let line = |g: &Group| format!("{}: {} = {}", g.name, g.formula, g.count);
        groups.iter().map(line).collect()
    };
    assert_eq!(
        lines("t5-base"),
        [
            "fast weights: 48 · 2 · (768 + 24) = 76032",
            "slow weights: 4 · 4 · 4 = 64",
            "biases: 48 · (768 + 24) = 38016",
            "layer norms: 62 · 768 = 47616",
        ]
    );
    // Six layers of two norms and one on the embeddings, each with weight and bias.
    assert_eq!(
        lines("all-MiniLM-L6-v2")[3],
        "layer norms: 13 · 2 · 384 = 9984"
    );
}

#[test]
fn the_task_head_is_a_group_of_its_own_and_not_in_the_sum() {
    let mini_lm = model("all-MiniLM-L6-v2");
    let counted = count(&Method::Head, &mini_lm).unwrap();
    let with_head = counted.with_head(&mini_lm, 2).unwrap();
    assert_eq!((with_head.trainable, with_head.groups.len()), (0, 1));
    let head = &with_head.groups[0];
    assert_eq!((&*head.formula, head.count), ("384 · 2 + 2", 770));
    assert!(refusal(&Method::Head, "t5-base").contains("no task head"));
    let full = count(&Method::Full, &model("t5-base")).unwrap();
    assert!(full.with_head(&model("t5-base"), 2).is_err());
}

#[test]
fn what_does_not_fit_is_refused_with_what_would() {
    let leaving = |leave_out| BottleneckConfig {
        leave_out,
        ..paper(32)
    };
    let no_rank = PhmConfig { rank: 0, ..phm(4) };
    let huge_rank = PhmConfig {
        rank: usize::MAX,
        ..phm(4)
    };
    for (method, said) in [
        (
            compacter(paper(32), phm(5)),
            "n = 5 must divide both the model's width 768 and the bottleneck's 24; \
             those that do: 1, 2, 3, 4, 6, 8, 12, 24",
        ),
        (compacter(paper(32), phm(16)), "those that do: 1, 2, 3"),
        (compacter(paper(32), phm(0)), "n = 0 must divide"),
        (
            compacter(paper(33), phm(4)),
            "bottleneck's 23; those that do: 1",
        ),
        (compacter(paper(32), no_rank), "rank cannot be 0"),
        (compacter(paper(32), huge_rank), "too many to count"),
        (adapter(paper(0)), "reduction_factor 0 leaves no bottleneck"),
        (adapter(paper(769)), "choose 1 to 768"),
        (
            adapter(leaving(vec![24])),
            "block 24; the model has blocks 0 to 23",
        ),
        (adapter(leaving((0..24).collect())), "leaves no block"),
        (
            preset("kind = 'adapterdrop'\ndrop_first = 12"),
            "a stack of this model has 12 blocks",
        ),
        (
            preset("kind = 'said'\ndimension = 257"),
            "the model has 257 weights",
        ),
        (
            preset("kind = 'said'\ndimension = 300_000_000"),
            "more than the 222903552 parameters",
        ),
        (
            preset("kind = 'prompt-vocab'\nlength = 40_000"),
            "more than the 32128 rows",
        ),
        (lora(0, &["q"]), "rank cannot be 0"),
        (lora(8, &[]), "targets is empty"),
        (
            lora(8, &["query"]),
            "holds `query`; those there are: q, k, v, o",
        ),
        (lora(8, &["q", "q"]), "holds `q` twice"),
    ] {
        let text = refusal(&method, "t5-base");
        assert!(text.contains(said), "{text} lacks {said}");
    }
}
