use candle_core::{Device, Var};

use super::*;

const SMOOTH: [NonLinearity; 3] = [
    NonLinearity::Gelu,
    NonLinearity::GeluNew,
    NonLinearity::Swish,
];

fn points() -> Vec<f64> {
    (-60..=60).map(|i| f64::from(i) * 0.1 + 0.013).collect()
}

fn value_and_gradient(f: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<(Vec<f64>, Vec<f64>)> {
    let x = Var::from_tensor(&Tensor::new(points(), &Device::Cpu)?)?;
    let y = f(&x)?;
    let gradients = y.sum_all()?.backward()?;
    let gradient = gradients.get(&x).map(Tensor::to_vec1::<f64>).transpose()?;
    Ok((y.to_vec1()?, gradient.unwrap_or_default()))
}

fn assert_equal(found: &[f64], expected: &[f64], what: NonLinearity) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!(
            (a - b).abs() <= 1e-14 * b.abs().max(1.0),
            "{what:?}: {a} against {b}"
        );
    }
}

#[test]
fn derivatives_agree_with_central_differences() -> Result<()> {
    for kind in SMOOTH {
        let (_, exact) = value_and_gradient(&|x| activation(x, kind))?;
        let h = 1e-5;
        let at = |shift: f64| value_and_gradient(&|x| activation(&(x + shift)?, kind));
        let ((up, _), (down, _)) = (at(h)?, at(-h)?);
        for ((up, down), exact) in up.iter().zip(down).zip(&exact) {
            let numeric = (up - down) / (2.0 * h);
            assert!(
                (numeric - exact).abs() < 1e-9,
                "{kind:?}: {numeric} against {exact}"
            );
        }
        assert_eq!(exact.len(), points().len());
    }
    Ok(())
}

#[test]
fn the_one_pass_form_equals_the_composed_form() -> Result<()> {
    for kind in SMOOTH {
        let (value, gradient) = value_and_gradient(&|x| activation(x, kind))?;
        let (expected, expected_gradient) = value_and_gradient(&|x| composed(x, kind))?;
        assert_equal(&value, &expected, kind);
        assert_equal(&gradient, &expected_gradient, kind);
    }
    Ok(())
}

#[test]
fn the_gated_form_equals_a_product_and_its_gradients() -> Result<()> {
    for kind in SMOOTH {
        // The same tensor on both sides: its gradient is the sum of both.
        let (value, gradient) = value_and_gradient(&|x| gated(x, &(x * 0.7)?, kind))?;
        let product = |x: &Tensor| Ok((composed(x, kind)? * (x * 0.7)?)?);
        let (expected, expected_gradient) = value_and_gradient(&product)?;
        assert_equal(&value, &expected, kind);
        assert_equal(&gradient, &expected_gradient, kind);
    }
    Ok(())
}

#[test]
fn single_precision_is_good_to_a_millionth() -> Result<()> {
    for kind in SMOOTH {
        let (expected, _) = value_and_gradient(&|x| composed(x, kind))?;
        let x = Tensor::new(points(), &Device::Cpu)?.to_dtype(DType::F32)?;
        let found = activation(&x, kind)?.to_vec1::<f32>()?;
        for (a, b) in found.into_iter().zip(expected) {
            assert!(
                (f64::from(a) - b).abs() <= 1e-6 * b.abs().max(1.0),
                "{kind:?}: {a} against {b}"
            );
        }
    }
    Ok(())
}
