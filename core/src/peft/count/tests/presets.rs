//! Methods by their names alone, against the paper's tables and other libraries.

use super::{model, preset, trainable};

#[test]
fn a_kind_alone_counts_as_its_row_of_the_paper() {
    for (kind, base, small) in [
        ("adapter", 1_855_104, Some(422_272)),
        ("pfeiffer", 951_360, Some(219_328)),
        ("adapterdrop", 1_101_984, None),
        ("low-rank", 161_664, Some(54_400)),
        ("compacter", 161_728, Some(54_464)),
        ("compacter++", 104_704, Some(35_456)),
        ("bitfit", 280_960, Some(115_072)),
        ("prompt", 76_800, Some(51_200)),
        ("prompt-vocab", 76_800, Some(51_200)),
        ("said", 20_000, Some(20_000)),
        ("layer-norm", 47_616, Some(16_384)),
    ] {
        let method = preset(&format!("kind = '{kind}'"));
        assert_eq!(trainable(&method, &model("t5-base")), base, "{kind}");
        if let Some(small) = small {
            assert_eq!(trainable(&method, &model("t5-small")), small, "{kind}");
        }
    }
    for (n, expected) in [(4, 534_144), (8, 355_968), (12, 398_976)] {
        let method = preset(&format!("kind = 'phm'\nn = {n}"));
        assert_eq!(trainable(&method, &model("t5-base")), expected);
    }
    assert_eq!(
        trainable(&preset("kind = 'phm'"), &model("t5-base")),
        398_976
    );
    let phm = preset("kind = 'phm'\nn = 4");
    assert_eq!(trainable(&phm, &model("t5-small")), 130_432);
    // The authors cut the embedding to the tokenizer's 32,100 tokens.
    let authors = model("t5-base").with_vocab(32_100);
    assert_eq!(trainable(&preset("kind = 'bitfit'"), &authors), 280_932);
}

#[test]
fn methods_of_other_papers_count_as_adapterhub_and_peft_do() {
    for (name, table, expected) in [
        // Trained parameters of `adapters` 1.3.0 and `peft` 0.21 on these models.
        ("bert-base-uncased", "kind = 'prefix'", 9_872_384),
        ("bert-base-uncased", "kind = 'ia3'", 55_296),
        ("bert-base-uncased", "kind = 'parallel'", 7_091_712),
        ("bert-base-uncased", "kind = 'layer-norm'", 38_400),
        ("bert-base-uncased", "kind = 'bitfit'", 102_912),
        ("bert-base-uncased", "kind = 'dora'", 313_344),
        (
            "bert-base-uncased",
            "kind = 'prompt'\nconvention = 'adapterhub'",
            7_680,
        ),
        ("t5-base", "kind = 'ia3'", 129_024),
        ("t5-base", "kind = 'dora'", 940_032),
        ("t5-base", "kind = 'prefix'\nbottleneck = 0", 1_658_880),
        // peft trains 30 · 2 · 12 · 768 and reads every other layer's; the encoder's are 12.
        (
            "t5-base",
            "kind = 'prefix'\nbottleneck = 0\nplacement = 'peft'",
            276_480,
        ),
        (
            "bert-base-uncased",
            "kind = 'prefix'\nbottleneck = 0\nplacement = 'peft'",
            552_960,
        ),
    ] {
        let method = preset(table);
        assert_eq!(trainable(&method, &model(name)), expected, "{name} {table}");
    }
}
