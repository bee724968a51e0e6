#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::config::MethodConfig;

fn method(table: &str) -> Method {
    let config: MethodConfig = toml::from_str(table).unwrap();
    config.resolve().unwrap()
}

#[test]
fn the_arithmetic_of_t5_small_is_what_the_study_counted() {
    let shape = ModelShape::named("t5-small").unwrap();
    let method = method("kind = 'compacter'\nreduction_factor = 32\nn = 4");
    let count = |method: &Method, lengths, keys_and_values| {
        let spared = Spared {
            keys_and_values,
            unread_rows: true, // of which a decoder has none
        };
        flops(&shape, method, lengths, spared) * 1e-9
    };
    let gflop = count(&method, &[(128, 8); 16], false);
    // 103 forward, 106 for the gradients of inputs, 2 to 3 for adapters.
    assert!((205.0..218.0).contains(&gflop), "{gflop}");
    // Of the keys and values of six layers, 26 GFLOP, the queries' side takes a quarter.
    let spared = gflop - count(&method, &[(128, 8); 16], true);
    assert!((18.0..21.0).contains(&spared), "{spared}");
    for table in ["kind = 'full'", "kind = 'bitfit'", "kind = 'lora'"] {
        let method = self::method(table);
        let [made, told] = [false, true].map(|spared| count(&method, &[(128, 8); 16], spared));
        assert!((made - told).abs() < 1e-9, "{table} makes keys and values");
    }
    let long = count(&method, &[(16, 128); 16], true);
    assert!((long - count(&method, &[(16, 128); 16], false)).abs() < 1e-9);
}

#[test]
fn first_rows_alone_spare_most_of_an_encoders_last_layer() {
    let shape = ModelShape::named("all-MiniLM-L6-v2").unwrap();
    let count = |table: &str, unread_rows| {
        let spared = Spared {
            keys_and_values: false,
            unread_rows,
        };
        flops(&shape, &method(table), &[(128, 8); 16], spared)
    };
    // Ten of a layer's twelve maps of d² (queries, output, feed-forward), forward and backward,
    // and two products of attention, threefold, all but for one row of 128.
    let (rows, width) = (2048.0, 384.0);
    let maps = 2.0 * 10.0 * 2.0 * rows * width * width;
    let attention = 3.0 * 2.0 * 2.0 * rows * 128.0 * width;
    let table = "kind = 'adapter'\nreduction_factor = 384";
    let spared = count(table, false) - count(table, true);
    let expected = (maps + attention) * 127.0 / 128.0;
    assert!(
        (0.99..1.02).contains(&(spared / expected)),
        "{spared:e}, {expected:e}"
    );
    // A head alone has no backward pass.
    let spared = count("kind = 'head'", false) - count("kind = 'head'", true);
    let expected = (maps / 2.0 + attention / 3.0) * 127.0 / 128.0;
    assert!(
        (spared / expected - 1.0).abs() < 1e-9,
        "{spared:e}, {expected:e}"
    );
}

#[test]
fn every_form_and_both_families_can_be_measured() {
    for (name, layers) in [("t5-small", 1), ("all-MiniLM-L6-v2", 1)] {
        let mut shape = ModelShape::named(name).unwrap().with_vocab(100);
        shape.encoder_layers = layers;
        shape.decoder_layers = shape.decoder_layers.min(layers);
        for form in [StepForm::Fused, StepForm::Composed] {
            let work = Workload {
                shape: shape.clone(),
                method: method("kind = 'compacter'\nreduction_factor = 32\nn = 4"),
                batches: vec![vec![(5, 2), (3, 1)], vec![(4, 1)]],
                model: ModelConfig::made_up(&["device=cpu".to_owned()]).unwrap(),
                form,
                gradient_checkpointing: form == StepForm::Fused,
                mixed_precision: MixedPrecision::No,
                warmup: 1,
                steps: 3,
                dropout: 0.0,
            };
            let report = run(&work).unwrap();
            assert!(report.loss.is_finite() && report.step_ms > 0.0);
            assert_eq!(
                (report.device.as_str(), report.device_peak_mib),
                ("cpu", None)
            );
            assert_eq!(
                (report.form, report.cpu_ms_each.len()),
                (form.to_string(), 3)
            );
        }
    }
}
