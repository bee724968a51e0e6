//! What a look at an installed method's factors says, against the built projections.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::super::factors::{Since, Watch, recorded};
use super::super::{Trainables, install};
use super::{method, model};
use crate::config::Pooling;
use crate::event::Factors;
use crate::event::factors::{Branch, Role, SlowPart, Stack};
use crate::model::Model;
use crate::ops::phm;

struct Lab {
    model: Model,
    trainables: Trainables,
    watch: Watch,
}

fn lab(name: &str, table: &str) -> Lab {
    let (method, mut model) = (method(table), model(name, Pooling::Mean));
    let trainables = install(&method, &mut model, 11).unwrap();
    let watch = Watch::new(&method, &trainables, &mut model).unwrap();
    Lab {
        model,
        trainables,
        watch,
    }
}

impl Lab {
    fn look(&mut self, since: Since<'_>) -> Factors {
        self.watch.look(&self.trainables, since).unwrap()
    }

    /// Moves every trained value by about `step` of itself.
    fn step(&self, step: f64) {
        let values = self.trainables.values();
        let noise = Tensor::arange(0.0, values.elem_count() as f64, values.device()).unwrap();
        let factor = (noise.sin().unwrap() * step).unwrap() + 1.0;
        let offset = (noise.cos().unwrap() * (0.01 * step)).unwrap();
        let moved = ((values.as_tensor() * factor.unwrap()).unwrap() + offset).unwrap();
        values.set(&moved).unwrap();
        self.trainables.refresh().unwrap();
    }

    fn named(&self) -> BTreeMap<String, Tensor> {
        let named = self.trainables.named(self.trainables.values()).unwrap();
        named.into_iter().collect()
    }

    /// The built projections by name, from the tensors alone.
    fn built(&self) -> BTreeMap<String, Tensor> {
        let named = self.named();
        let slow = |path: &str| -> Tensor {
            let own = format!("{path}.slow");
            let found = named.get(&own).or_else(|| named.get("slow")).cloned();
            let drawn = |name: &str| self.trainables.drawn(name).unwrap();
            found
                .or_else(|| drawn(&own))
                .or_else(|| drawn("slow"))
                .unwrap()
        };
        let mut built = BTreeMap::new();
        for (name, tensor) in &named {
            let Some((path, part)) = name.rsplit_once('.') else {
                continue;
            };
            let whole = match part {
                "left" if tensor.rank() == 2 => {
                    tensor.matmul(&named[&format!("{path}.right")]).unwrap()
                }
                "left" => {
                    let right = &named[&format!("{path}.right")];
                    phm::materialise(&slow(path), &tensor.matmul(right).unwrap()).unwrap()
                }
                "fast" => phm::materialise(&slow(path), tensor).unwrap(),
                // The default rank is 8 and alpha 16.
                "lora_a" => {
                    let product = named[&format!("{path}.lora_b")].matmul(tensor);
                    (product.unwrap().t().unwrap() * 2.0).unwrap()
                }
                "weight" if path.contains(".adapter.") => tensor.t().unwrap(),
                _ => continue,
            };
            built.insert(path.to_owned(), whole);
        }
        built
    }
}

fn norm(tensor: &Tensor) -> f64 {
    let squares = tensor.sqr().unwrap().sum_all().unwrap();
    squares.to_scalar::<f64>().unwrap().sqrt()
}

#[track_caller]
fn close(found: f64, expected: f64, what: &str) {
    // Six figures are told.
    let within = 1e-5 * expected.abs() + 1e-300;
    assert!(
        (found - expected).abs() <= within,
        "{what}: {found}, expected {expected}"
    );
}

const TABLES: [&str; 12] = [
    "kind = 'compacter'\nreduction_factor = 4",
    "kind = 'compacter++'\nreduction_factor = 4\nrank = 3",
    "kind = 'compacter'\nreduction_factor = 4\nslow = 'own'",
    "kind = 'compacter'\nreduction_factor = 4\nlearn_slow = false",
    "kind = 'compacter'\nreduction_factor = 4\nslow = 'own'\nlearn_slow = false\nfast = 'dense'",
    "kind = 'compacter'\nreduction_factor = 4\nfast = 'dense'",
    "kind = 'adapter'\nreduction_factor = 4",
    "kind = 'lora'",
    "kind = 'dora'",
    "kind = 'low-rank'\nreduction_factor = 4\nrank = 2",
    "kind = 'phm'\nn = 4\nreduction_factor = 4",
    "kind = 'parallel'\nreduction_factor = 4",
];

#[test]
fn norm_and_drift_are_those_of_the_built_projections() {
    for name in ["t5_v1_1", "bert"] {
        for table in TABLES {
            let mut lab = lab(name, table);
            let start = lab.built();
            let first = lab.look(Since::default());
            assert_eq!(first.projections.len(), start.len(), "{table}");
            let before = lab.trainables.values().copy().unwrap();
            lab.step(1e-2);
            let (middle, middle_values) = (lab.built(), lab.trainables.values().copy().unwrap());
            lab.step(1e-5);
            let now = lab.built();
            let seen = lab.look(Since {
                before: Some(&middle_values),
                gradient: Some(&before),
            });
            for (projection, at_start) in seen.projections.iter().zip(&first.projections) {
                let path = &projection.name;
                assert_eq!(projection.shape.as_slice(), now[path].dims());
                close(at_start.norm, norm(&start[path]), path);
                assert_eq!((at_start.drift.to_bits(), at_start.change), (0, None));
                close(projection.norm, norm(&now[path]), path);
                let drift = norm(&(&now[path] - &start[path]).unwrap());
                close(projection.drift, drift, path);
                let change = norm(&(&now[path] - &middle[path]).unwrap());
                close(projection.change.unwrap(), change, path);
                let squares: f64 = projection.spectrum.iter().map(|x| x * x).sum();
                close(squares.sqrt(), norm(&now[path]), path);
                assert!(projection.gradient_norm.unwrap() >= 0.0);
            }
        }
    }
}

#[test]
fn recorded_entries_make_the_projections_again() {
    for table in TABLES {
        let mut lab = lab("t5_v1_0", table);
        lab.step(0.5);
        let seen = lab.look(Since::default());
        let dense = table.contains("'adapter'") || table.contains("'parallel'");
        for (at, projection) in seen.projections.iter().enumerate() {
            let sum = recorded(&seen, at).unwrap();
            assert_eq!(sum.is_none(), dense, "{table}");
            let Some(sum) = sum else { continue };
            assert_eq!(sum.shape(), projection.shape);
            let apart = (sum.norm() - projection.norm).abs();
            assert!(
                apart <= 3e-3 * projection.norm,
                "{}: {}",
                projection.name,
                sum.norm()
            );
        }
        assert_eq!(recorded(&seen, seen.projections.len()).unwrap(), None);
    }
}

#[test]
fn a_snapshot_that_does_not_hold_together_is_an_error() {
    let mut seen = lab("bert", TABLES[0]).look(Since::default());
    seen.projections[0].slow = SlowPart::Slow(7);
    assert!(recorded(&seen, 0).is_err());
    seen.projections[1].left.as_mut().unwrap().shape = vec![1, 2, 3];
    assert!(recorded(&seen, 1).is_err());
    seen.projections[2].left = seen.projections[3].left.clone();
    assert!(recorded(&seen, 2).is_err());
    seen.projections[3].right.as_mut().unwrap().shape = vec![8];
    assert!(recorded(&seen, 3).is_err());
}

#[test]
fn places_follow_the_model_and_shared_slow_weights_appear_once() {
    let mut lab = lab("t5_v1_0", TABLES[0]);
    let seen = lab.look(Since::default());
    assert_eq!(seen.slow.len(), 1);
    assert!(seen.projections.iter().all(|p| p.slow == SlowPart::Slow(0)));
    let first = &seen.projections[0];
    assert_eq!(first.name, "encoder.block.0.layer.0.adapter.down");
    let places: Vec<_> = seen.projections.iter().map(|p| p.place).collect();
    assert_eq!(places[1].role, Role::Up);
    assert_eq!(places[2].branch, Branch::FeedForward);
    let shape = &lab.model.shape;
    assert_eq!(
        places.len(),
        4 * (shape.encoder_layers + shape.decoder_layers)
    );
    let decoder = places.iter().find(|place| place.stack == Stack::Decoder);
    assert_eq!(decoder.unwrap().block, 0);
    let own = self::lab("t5_v1_0", TABLES[2]).look(Since::default());
    assert_eq!(own.slow.len(), own.projections.len());
    assert_eq!(own.projections[5].slow, SlowPart::Slow(5));
}

#[test]
fn methods_without_projections_show_nothing() {
    for table in ["kind = 'full'", "kind = 'head'"] {
        assert!(lab("bert", table).watch.views().is_empty());
    }
}

#[test]
fn the_gradient_is_told_by_projection_and_slow_weights_apart() {
    let mut lab = lab("bert", TABLES[0]);
    let gradient = (lab.trainables.values().as_tensor() * 3.0).unwrap();
    let seen = lab.look(Since {
        before: None,
        gradient: Some(&gradient),
    });
    let named = lab.named();
    let size = |name: &str| 3.0 * norm(&named[name]);
    close(seen.slow[0].gradient_norm.unwrap(), size("slow"), "slow");
    let path = &seen.projections[3].name;
    let (s, t) = (
        size(&format!("{path}.left")),
        size(&format!("{path}.right")),
    );
    close(seen.projections[3].gradient_norm.unwrap(), s.hypot(t), path);
    let fixed = self::lab("bert", TABLES[3]).look(Since {
        before: None,
        gradient: None,
    });
    assert_eq!(fixed.slow[0].gradient_norm, None);
}
