//! Gradients against central differences.

use candle_core::Tensor;
use compacter_core::model::network::scalar;
use compacter_core::peft::{Parameter, Trainables};
use compacter_core::random::Key;

use crate::parity::numbers;

/// Half the distance of the two points of a difference: errors of the difference, `h²`,
/// and of rounding, `ε/h`, are both near 1e-10.
const STEP: f64 = 1e-5;

/// Entries of each parameter that are compared.
const SAMPLES: usize = 3;

/// Adds normal noise to every trained value, so that none is 0 or the same as another.
pub fn shake(trainables: &Trainables, deviation: f64) {
    let mut values = numbers(trainables.values());
    let noise = Key::new(17);
    for (at, value) in values.iter_mut().enumerate() {
        *value += deviation * noise.normal(at as u64);
    }
    write(trainables, values);
}

/// Asserts that backward computes the gradient of `loss`, a function of the trained
/// values in `f64`, and that the loss depends on every parameter.
pub fn assert_gradient(what: &str, trainables: &Trainables, loss: impl Fn() -> Tensor) {
    let store = loss().backward().expect("a differentiable loss");
    let exact = numbers(&trainables.gradient(&store).expect("gradients"));
    let base = numbers(trainables.values());
    let value = || scalar(&loss()).expect("a scalar");
    for parameter in trainables.parameters() {
        let end = parameter.start + parameter.len();
        let of_parameter = &exact[parameter.start..end];
        let largest = of_parameter.iter().fold(0f64, |m, g| m.max(g.abs()));
        let name = &parameter.name;
        assert!(largest > 0.0, "{what}: the loss does not depend on {name}");
        for at in sample(parameter, of_parameter) {
            let shifted = |shift: f64| {
                let mut moved = base.clone();
                moved[at] += shift;
                write(trainables, moved);
                value()
            };
            let numeric = (shifted(STEP) - shifted(-STEP)) / (2.0 * STEP);
            let off = (numeric - exact[at]).abs();
            assert!(
                off <= 1e-6 * largest + 1e-9,
                "{what}: {name} entry {}: {} for {numeric}",
                at - parameter.start,
                exact[at]
            );
        }
    }
    write(trainables, base);
}

/// Positions spread over a parameter, and the one of its largest gradient.
fn sample(parameter: &Parameter, gradient: &[f64]) -> Vec<usize> {
    let length = gradient.len();
    let steepest = (0..length).max_by(|&a, &b| gradient[a].abs().total_cmp(&gradient[b].abs()));
    let mut chosen: Vec<usize> = (0..SAMPLES.min(length))
        .map(|i| i * length / SAMPLES.min(length))
        .chain(steepest)
        .map(|at| parameter.start + at)
        .collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

fn write(trainables: &Trainables, values: Vec<f64>) {
    let flat = trainables.values();
    let values = Tensor::from_vec(values, flat.shape(), flat.device()).expect("as many values");
    flat.set(&values.to_dtype(flat.dtype()).expect("numbers"))
        .expect("the same shape");
    trainables.refresh().expect("views of the same shapes");
}
