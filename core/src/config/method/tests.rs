//! The presets, against the paper's and the libraries' settings.
#![expect(clippy::unwrap_used, reason = "tests")]

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
fn default_learning_rates_are_the_same_by_kind_and_by_method() {
    for (kind, rate) in [
        (MethodKind::Full, 3e-4_f64),
        (MethodKind::Head, 1e-2),
        (MethodKind::Adapter, 3e-4),
        (MethodKind::Compacter, 3e-3),
        (MethodKind::CompacterPlusPlus, 3e-3),
        (MethodKind::Lora, 2e-3),
    ] {
        let method = resolved(kind, Convention::Paper);
        assert_eq!(kind.default_learning_rate().to_bits(), rate.to_bits());
        assert_eq!(method.default_learning_rate().to_bits(), rate.to_bits());
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
