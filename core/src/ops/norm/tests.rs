use candle_core::{Device, Var};

use super::*;

/// The value and the gradients of the arguments of `Σ f · c` for fixed numbers `c`.
fn differentiate(arguments: &[Var], f: &dyn Fn() -> Result<Tensor>) -> Result<Vec<Tensor>> {
    let y = f()?;
    let ramp = Tensor::arange(0f64, y.elem_count() as f64, y.device())?.cos()?;
    let store = (&y * ramp.reshape(y.shape())?)?.sum_all()?.backward()?;
    let mut all = vec![y];
    for argument in arguments {
        let found = store.get(argument);
        all.push(
            found
                .ok_or_else(|| crate::Error::method("no gradient"))?
                .clone(),
        );
    }
    Ok(all)
}

fn assert_close(found: &[Tensor], expected: &[Tensor]) -> Result<()> {
    for (found, expected) in found.iter().zip(expected) {
        let off = (found - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
        let most = expected.abs()?.max_all()?.to_scalar::<f64>()?;
        assert!(off <= 1e-12 * most, "{off:e} of {most:e}");
    }
    Ok(())
}

fn var(shape: &[usize]) -> Result<Var> {
    Ok(Var::from_tensor(&Tensor::randn(
        0.3f64,
        1.0,
        shape,
        &Device::Cpu,
    )?)?)
}

#[test]
fn one_pass_norms_equal_the_composed_ones_and_their_gradients() -> Result<()> {
    for (rows, width) in [(1, 5), (3, 17), (70, 32), (129, 48)] {
        let (x, w, b) = (var(&[rows, width])?, var(&[width])?, var(&[width])?);
        let epsilon = 1e-6;
        let found = differentiate(&[x.clone(), w.clone()], &|| rms_norm(&x, &w, epsilon))?;
        let expected = differentiate(&[x.clone(), w.clone()], &|| {
            composed_rms_norm(&x, &w, epsilon)
        })?;
        assert_close(&found, &expected)?;

        let all = [x.clone(), w.clone(), b.clone()];
        let found = differentiate(&all, &|| layer_norm(&x, &w, &b, epsilon))?;
        let expected = differentiate(&all, &|| composed_layer_norm(&x, &w, &b, epsilon))?;
        assert_close(&found, &expected)?;
    }
    Ok(())
}

#[test]
fn sums_over_rows_do_not_depend_on_the_number_of_threads() -> Result<()> {
    let (x, w) = (var(&[500, 24])?, var(&[24])?);
    let gradients = |threads: usize| -> Result<Vec<Vec<u64>>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|e| crate::Error::method(e.to_string()))?;
        let all =
            pool.install(|| differentiate(&[x.clone(), w.clone()], &|| rms_norm(&x, &w, 1e-6)))?;
        let bits = |t: &Tensor| -> Result<Vec<u64>> {
            let values = t.flatten_all()?.to_vec1::<f64>()?;
            Ok(values.into_iter().map(f64::to_bits).collect())
        };
        all.iter().map(bits).collect()
    };
    assert_eq!(gradients(1)?, gradients(3)?);
    Ok(())
}
