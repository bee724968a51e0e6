use candle_core::{Device, Var};

use super::*;

const HEADS: usize = 3;
const WIDTH: usize = 4; // of a head

struct Case {
    q: Var,
    k: Var,
    v: Var,
    bias: Option<Var>,
    from: Segments,
    to: Segments,
}

impl Case {
    fn new(queries: &[usize], keys: &[usize], heads_of_bias: Option<usize>) -> Result<Self> {
        let device = &Device::Cpu;
        let segments = |offsets| Segments::new(offsets, DType::F64, device);
        let (from, to) = (segments(queries)?, segments(keys)?);
        let rows = |count: usize| -> Result<Var> {
            let tensor = Tensor::randn(0f64, 1.0, (count, HEADS * WIDTH), device)?;
            Ok(Var::from_tensor(&tensor)?)
        };
        let bias = heads_of_bias.map(|heads| -> Result<Var> {
            let shape = (1, heads, from.longest(), to.longest());
            Ok(Var::from_tensor(&Tensor::randn(0f64, 1.0, shape, device)?)?)
        });
        Ok(Self {
            q: rows(from.tokens())?,
            k: rows(to.tokens())?,
            v: rows(to.tokens())?,
            bias: bias.transpose()?,
            from,
            to,
        })
    }

    fn packed(&self, bias: Option<&Tensor>, dropout: Option<(f64, Key)>) -> Result<Tensor> {
        Packed {
            queries: &self.q,
            keys: &self.k,
            values: &self.v,
            segments: (&self.from, &self.to),
            heads: HEADS,
            scale: 0.7,
            bias,
            dropout,
        }
        .forward()
    }

    fn padded(&self, bias: Option<&Tensor>, dropout: Option<(f64, Key)>) -> Result<Tensor> {
        let split = |segments: &Segments, rows| split_heads(&segments.pad(rows)?, HEADS);
        let attended = Attention {
            queries: &split(&self.from, &self.q)?,
            keys: &split(&self.to, &self.k)?,
            values: &split(&self.to, &self.v)?,
            scale: 0.7,
            bias,
            mask: self.to.mask(),
            dropout,
        }
        .forward()?;
        self.from.pack(&join_heads(&attended)?)
    }

    /// The value, and the gradients of a weighted sum of it.
    fn differentiate(&self, y: Tensor) -> Result<Vec<Tensor>> {
        let ramp = Tensor::arange(0f64, y.elem_count() as f64, y.device())?.cos()?;
        let store = (&y * ramp.reshape(y.shape())?)?.sum_all()?.backward()?;
        let mut all = vec![y];
        for var in [&self.q, &self.k, &self.v].into_iter().chain(&self.bias) {
            let found = store.get(var).cloned();
            all.push(found.ok_or_else(|| crate::Error::method("no gradient"))?);
        }
        Ok(all)
    }
}

fn assert_close(found: &[Tensor], expected: &[Tensor]) -> Result<()> {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let off = (found - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
        let most = expected.abs()?.max_all()?.to_scalar::<f64>()?;
        assert!(off <= 1e-12 * most, "{off:e} of {most:e}");
    }
    Ok(())
}

#[test]
fn the_packed_form_equals_the_padded_form_and_its_gradients() -> Result<()> {
    let lengths: [(&[usize], &[usize]); 4] = [
        (&[0, 1], &[0, 1]),
        (&[0, 3, 4, 9], &[0, 3, 4, 9]),
        (&[0, 2, 3], &[0, 5, 11]),
        (&[0, 40, 73], &[0, 21, 60]),
    ];
    for (queries, keys) in lengths {
        for heads_of_bias in [None, Some(1), Some(HEADS)] {
            for dropout in [None, Some((0.3, Key::new(5)))] {
                let case = Case::new(queries, keys, heads_of_bias)?;
                let bias = case.bias.as_ref().map(Var::as_tensor);
                let found = case.differentiate(case.packed(bias, dropout)?)?;
                let expected = case.differentiate(case.padded(bias, dropout)?)?;
                assert_close(&found, &expected)?;
            }
        }
    }
    Ok(())
}

/// What heads with keys of their own compute where all of them have the same ones, which are
/// the values too: the output, and the gradients of queries and rows.
fn shared(
    case: &Case,
    rows: &Var,
    dy: &Tensor,
    dropout: Option<(f64, Key)>,
) -> Result<[Vec<f64>; 3]> {
    let keys = Tensor::cat(&[rows.as_tensor(); HEADS], 1)?;
    let y = Packed {
        queries: &case.q,
        keys: &keys,
        values: &keys,
        segments: (&case.from, &case.to),
        heads: HEADS,
        scale: 0.7,
        bias: None,
        dropout,
    }
    .forward()?;
    let store = (&y * dy)?.sum_all()?.backward()?;
    let gradient = |of: &Var| -> Result<Vec<f64>> {
        let found = store.get(of).ok_or_else(|| crate::Error::method("none"))?;
        Ok(found.flatten_all()?.to_vec1()?)
    };
    let y = y.flatten_all()?.to_vec1()?;
    Ok([y, gradient(&case.q)?, gradient(rows)?])
}

#[test]
fn heads_that_share_their_keys_are_computed_together() -> Result<()> {
    let lengths: [(&[usize], &[usize]); 4] = [
        (&[0, 1], &[0, 1]),
        (&[0, 2, 3], &[0, 5, 11]),
        (&[0, 3, 3, 4], &[0, 0, 7, 9]),
        (&[0, 40, 73], &[0, 21, 60]),
    ];
    for (queries, keys) in lengths {
        for dropout in [None, Some((0.3, Key::new(5)))] {
            let case = Case::new(queries, keys, None)?;
            let device = &Device::Cpu;
            let tokens = case.to.tokens();
            let rows = Tensor::randn(0f64, 1.0, (tokens, WIDTH), device)?;
            let (rows, dy) = (Var::from_tensor(&rows)?, case.q.as_detached_tensor().cos()?);
            let expected = shared(&case, &rows, &dy, dropout)?;

            let segments = (&case.from, &case.to);
            let attention = MultiQuery::new((WIDTH, HEADS), (0.7, dropout), segments);
            let flat = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f64>();
            let (q, x, dy) = (flat(&case.q)?, flat(&rows)?, flat(&dy)?);
            let mut scores = vec![f64::NAN; attention.scores()];
            attention.probabilities((&q, &x), &mut scores);
            let mut y = vec![f64::NAN; q.len()];
            attention.mix(&scores, &x, &mut y);
            let (mut dq, mut dx) = (vec![f64::NAN; q.len()], vec![1.0; x.len()]);
            let gradients = (&mut dq[..], Some(&mut dx[..]));
            attention.backward((&q, &x, &dy), &mut scores, gradients);
            for added in &mut dx {
                *added -= 1.0;
            }

            for (found, expected) in [y, dq, dx].iter().zip(&expected) {
                let most = expected.iter().fold(0f64, |most, x| most.max(x.abs()));
                for (found, expected) in found.iter().zip(expected) {
                    let off = (found - expected).abs();
                    assert!(off <= 1e-12 * most.max(1.0), "{off:e} of {most:e}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_query_that_may_see_no_key_gives_zeros_and_no_gradient() -> Result<()> {
    let case = Case::new(&[0, 2, 5], &[0, 2, 5], None)?;
    let mask = Tensor::new(
        &[[0f64, 0.0, 0.0], [f64::NEG_INFINITY; 3], [0.0, 0.0, 0.0]],
        &Device::Cpu,
    )?;
    let all = case.differentiate(case.packed(Some(&mask.reshape((1, 1, 3, 3))?), None)?)?;
    let (y, dq) = (all[0].to_vec2::<f64>()?, all[1].to_vec2::<f64>()?);
    for (row, blind) in [false, true, false, true, false].into_iter().enumerate() {
        let zero = |values: &[f64]| values.iter().all(|&value| value.abs() < f64::MIN_POSITIVE);
        assert_eq!(zero(&y[row]), blind, "row {row}");
        assert_eq!(zero(&dq[row]), blind, "row {row}");
    }
    Ok(())
}

#[test]
fn a_second_backward_pass_gives_the_same_gradients() -> Result<()> {
    let case = Case::new(&[0, 3, 4], &[0, 3, 4], Some(HEADS))?;
    let y = case.packed(case.bias.as_ref().map(Var::as_tensor), None)?;
    let (first, second) = (case.differentiate(y.clone())?, case.differentiate(y)?);
    assert_close(&first, &second)
}
