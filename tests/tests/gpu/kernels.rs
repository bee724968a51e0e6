//! Every kernel against the composed form of the same operation on the same device: values, and
//! the gradients of all arguments.
//!
//! In f32 they agree to 1e-5 of the largest entry. In bf16 the kernel is held against the
//! composed form in f32 on the same (rounded) numbers, to 2e-2 of the largest entry: a bf16
//! holds eight bits, results are rounded to it (2⁻⁹), and what is computed from rounded
//! probabilities or scores is off by some of that.

use candle_core::{DType, Device, Tensor, Var};
use compacter_core::Result;
use compacter_core::config::NonLinearity;
use compacter_core::ops::attention::Attention;
use compacter_core::ops::cross_entropy::cross_entropy;
use compacter_core::ops::dropout::dropout;
use compacter_core::ops::norm::{layer_norm, rms_norm};
use compacter_core::peft::adapter::{AdapterProjection, Bottleneck};
use compacter_core::random::Key;
use compacter_core::train::optimizer::{AdamW, Update, clipping, norm};

use super::{gpu, off};

/// Formats, and how far off a result may be.
const FORMATS: [(DType, f64); 2] = [(DType::F32, 1e-5), (DType::BF16, 2e-2)];

/// An argument: shape, and whether it has the activations' format (parameters have f32).
type Argument<'a> = (&'a [usize], bool);

/// Normal numbers, on the CPU, in f32.
fn numbers(shape: &[usize], seed: u64) -> Tensor {
    let key = Key::new(seed);
    let count = shape.iter().product::<usize>() as u64;
    #[expect(clippy::cast_possible_truncation, reason = "any numbers will do")]
    let values: Vec<f32> = (0..count).map(|i| key.normal(i) as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// The value of `f` and the gradients of `Σ f · c` for fixed numbers `c`, on the CPU in f32.
fn differentiate(
    (device, dtype): (&Device, DType),
    rounded: DType,
    arguments: &[Argument<'_>],
    f: &dyn Fn(&[Var]) -> Result<Tensor>,
) -> Vec<Tensor> {
    let vars: Vec<Var> = arguments
        .iter()
        .enumerate()
        .map(|(at, (shape, active))| {
            let values = numbers(shape, at as u64 + 1);
            let values = if *active {
                values.to_dtype(rounded).unwrap().to_dtype(dtype).unwrap()
            } else {
                values
            };
            Var::from_tensor(&values.to_device(device).unwrap()).unwrap()
        })
        .collect();
    let y = f(&vars).unwrap().to_dtype(DType::F32).unwrap();
    let weights = numbers(y.dims(), 99).to_dtype(rounded).unwrap();
    let weights = weights
        .to_dtype(DType::F32)
        .unwrap()
        .to_device(device)
        .unwrap();
    let store = (&y * weights)
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap();
    let here = |tensor: &Tensor| {
        let tensor = tensor.to_dtype(DType::F32).unwrap();
        tensor.to_device(&Device::Cpu).unwrap()
    };
    let gradients = vars.iter().map(|var| here(store.get(var).unwrap()));
    std::iter::once(here(&y)).chain(gradients).collect()
}

/// Holds the kernels' `f` against the composed one in both formats.
fn compare(what: &str, arguments: &[Argument<'_>], f: &dyn Fn(&[Var]) -> Result<Tensor>) {
    let (with, without) = (gpu(true), gpu(false));
    for (dtype, tolerance) in FORMATS {
        let found = differentiate((&with, dtype), dtype, arguments, f);
        let expected = differentiate((&without, DType::F32), dtype, arguments, f);
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let part = if at == 0 {
                "value".to_owned()
            } else {
                format!("gradient {at}")
            };
            let off = off(found, expected);
            println!("{what}, {dtype:?}, {part}: off by {off:.1e} of the largest entry");
            assert!(off <= tolerance, "{what}, {dtype:?}, {part}: {off:e}");
        }
    }
}

#[test]
fn norms() {
    for (rows, width) in [(1, 5), (3, 17), (129, 512), (300, 768)] {
        let (x, w) = ([rows, width], [width]);
        let what = format!("rms norm of {rows} × {width}");
        compare(&what, &[(&x, true), (&w, false)], &|v| {
            rms_norm(&v[0], &v[1], 1e-6)
        });
        let what = format!("layer norm of {rows} × {width}");
        compare(&what, &[(&x, true), (&w, false), (&w, false)], &|v| {
            layer_norm(&v[0], &v[1], &v[2], 1e-12)
        });
    }
}

/// −∞ for the last keys of every second sequence, `[b, 1, 1, k]`.
fn mask(batch: usize, keys: usize, like: &Tensor) -> Result<Tensor> {
    let entry = |at: usize| {
        let (sequence, key) = (at / keys, at % keys);
        if sequence % 2 == 1 && key > keys / 2 {
            f32::NEG_INFINITY
        } else {
            0.0
        }
    };
    let values: Vec<f32> = (0..batch * keys).map(entry).collect();
    let mask = Tensor::from_vec(values, (batch, 1, 1, keys), &Device::Cpu)?;
    Ok(mask.to_dtype(like.dtype())?.to_device(like.device())?)
}

#[test]
fn attention() {
    for (batch, heads, queries, keys) in
        [(1, 1, 1, 1), (3, 4, 5, 7), (4, 2, 33, 65), (2, 3, 8, 200)]
    {
        let (q, k) = ([batch, heads, queries, 8], [batch, heads, keys, 8]);
        for bias_heads in [None, Some(1), Some(heads)] {
            let bias = [1, bias_heads.unwrap_or(1), queries, keys];
            let mut arguments: Vec<Argument<'_>> = vec![(&q, true), (&k, true), (&k, true)];
            if bias_heads.is_some() {
                arguments.push((&bias, true));
            }
            let what =
                format!("attention {batch} × {heads} × {queries} × {keys}, bias {bias_heads:?}");
            compare(&what, &arguments, &|v| {
                let mask = mask(batch, keys, &v[0])?;
                Attention {
                    queries: &v[0],
                    keys: &v[1],
                    values: &v[2],
                    scale: 0.35,
                    bias: v.get(3).map(Var::as_tensor),
                    mask: Some(&mask),
                    dropout: None,
                }
                .forward()
            });
        }
    }
}

#[test]
fn a_query_that_sees_no_key_gets_zeros() {
    let device = gpu(true);
    let part = |seed| numbers(&[1, 1, 2, 4], seed).to_device(&device).unwrap();
    let (queries, keys, values) = (part(1), part(2), part(3));
    let nothing = Tensor::full(f32::NEG_INFINITY, (1, 1, 1, 2), &device).unwrap();
    let attention = Attention {
        queries: &queries,
        keys: &keys,
        values: &values,
        scale: 1.0,
        bias: None,
        mask: Some(&nothing),
        dropout: None,
    };
    let y = attention.forward().unwrap().flatten_all().unwrap();
    assert_eq!(y.to_vec1::<f32>().unwrap(), vec![0.0; 8]);
}

/// A projection that multiplies by 1, to leave what the kernels do.
struct Plain(Tensor);

impl AdapterProjection for Plain {
    fn product(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }

    fn bias(&self) -> &Tensor {
        &self.0
    }
}

#[test]
fn adapters() {
    let kinds = [
        NonLinearity::Relu,
        NonLinearity::Swish,
        NonLinearity::Gelu,
        NonLinearity::GeluNew,
    ];
    for (rows, width) in [(1, 3), (130, 24), (700, 96)] {
        for non_linearity in kinds {
            let (x, b) = ([rows, width], [width]);
            let what = format!("adapter of {rows} × {width}, {non_linearity:?}");
            compare(&what, &[(&x, true), (&b, false), (&b, false)], &|v| {
                let (down, up) = (
                    Plain(v[1].as_tensor().clone()),
                    Plain(v[2].as_tensor().clone()),
                );
                let bottleneck = Bottleneck {
                    down,
                    up,
                    non_linearity,
                };
                bottleneck.forward(&v[0])
            });
        }
    }
}

#[test]
fn cross_entropies() {
    for (rows, classes) in [(1usize, 2usize), (3, 2), (70, 129), (40, 32_128)] {
        let shape = [rows, classes];
        let what = format!("cross-entropy of {rows} × {classes}");
        compare(&what, &[(&shape, true)], &|v| {
            let chosen: Vec<u32> = (0..rows)
                .map(|row| u32::try_from(row * 7 % classes).unwrap())
                .collect();
            cross_entropy(&v[0], &Tensor::new(chosen, v[0].device())?)
        });
    }
}

#[test]
fn dropout_drops_the_same_elements_as_on_the_cpu() {
    let (rate, key) = (0.3, Key::new(4).with(2));
    let x = numbers(&[300, 77], 5);
    let expected = dropout(&x, rate, key).unwrap();
    for kernels in [false, true] {
        let var = Var::from_tensor(&x.to_device(&gpu(kernels)).unwrap()).unwrap();
        let y = dropout(&var, rate, key).unwrap();
        let store = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let here = |tensor: &Tensor| tensor.to_device(&Device::Cpu).unwrap();
        assert!(off(&here(&y), &expected) <= 1e-6, "kernels {kernels}");
        // d Σ y² = 2 y · mask factor, which is y's own.
        let slope = (&expected * (2.0 / (1.0 - rate))).unwrap();
        let found = here(store.get(&var).unwrap());
        assert!(off(&found, &slope) <= 1e-6, "kernels {kernels}");
    }
}

/// Values, moments and the last gradient's norm after some clipped updates.
fn updated(device: &Device, elements: usize) -> Vec<Tensor> {
    let values = Var::from_tensor(&numbers(&[elements], 1).to_device(device).unwrap()).unwrap();
    let mut optimizer = AdamW::new(&values).unwrap();
    let mut last = 0.0;
    for step in 0..5 {
        let gradient = numbers(&[elements], 10 + step).to_device(device).unwrap();
        last = norm(&gradient).unwrap();
        let with = Update {
            learning_rate: 1e-2,
            weight_decay: 0.1,
        };
        let factor = clipping(last, 1.0);
        optimizer
            .update_clipped(&values, (&gradient, factor), with)
            .unwrap();
    }
    let (moments, _) = optimizer.state();
    let parts = [values.as_tensor(), moments[0].1, moments[1].1];
    let mut all: Vec<Tensor> = parts
        .iter()
        .map(|part| part.to_device(&Device::Cpu).unwrap())
        .collect();
    all.push(Tensor::new(&[last], &Device::Cpu).unwrap());
    all
}

#[test]
fn optimizers() {
    for elements in [1, 1000, 300_001] {
        let expected = updated(&gpu(false), elements);
        for (found, expected) in updated(&gpu(true), elements).iter().zip(&expected) {
            let off = off(found, expected);
            println!("AdamW of {elements}: off by {off:.1e} of the largest entry");
            assert!(off <= 1e-5, "AdamW of {elements}: {off:e}");
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bits() {
    let device = gpu(true);
    let run = || {
        let arguments: [Argument<'_>; 2] = [(&[700, 512], true), (&[512], false)];
        let norm = |v: &[Var]| rms_norm(&v[0], &v[1], 1e-6);
        let all = differentiate((&device, DType::F32), DType::F32, &arguments, &norm);
        let bits = |t: &Tensor| -> Vec<u32> {
            let values = t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            values.into_iter().map(f32::to_bits).collect()
        };
        all.iter().map(bits).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
