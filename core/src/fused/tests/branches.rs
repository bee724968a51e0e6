//! Every fused operation by itself: a residual branch with its norm, attention or
//! feed-forward, and adapter, against the same in tensor operations.
//!
//! Compared are the new hidden state and the gradients of the old one, of the encoder's output,
//! of the bias of scores and of everything trained, each to a part of its largest entry.

use candle_core::Var;

use super::*;
use crate::fused::attention::{Elsewhere, Looks, Rows};
use crate::fused::branch::{Branch, Wanted};
use crate::fused::buffers::Buffers;
use crate::fused::elementwise::first_rows;
use crate::fused::param::Gradient;
use crate::fused::{Context, Keep, Planner};
use crate::model::attention;
use crate::model::layers::BranchOutput;
use crate::model::outline::{BranchOutline, Inner, NormOrder, Outline};
use crate::ops::Segments;
use crate::ops::activation::{activation, gated};
use crate::ops::attention::Bias;
use crate::ops::cpu::{Real, View};

/// What a branch is run on.
struct Inputs {
    hidden: Var,              // [tokens, d_model]
    memory: Var,              // [memory tokens, d_model]
    bias: Option<Var>,        // [1, h, longest, longest]
    weights: Tensor,          // [tokens, d_model]: dnext
    first: bool,              // whether only the first row of each sequence is read
    at: (Segments, Segments), // of both
}

/// The branch in tensor operations.
fn composed(branch: &BranchOutline<'_>, inputs: &Inputs, pass: &Pass) -> Result<Tensor> {
    let h = inputs.hidden.as_tensor();
    let x = match branch.order {
        NormOrder::Before => branch.norm.forward(h)?,
        NormOrder::After => h.clone(),
    };
    let (own, theirs) = &inputs.at;
    let y = match &branch.inner {
        Inner::SelfAttention(heads) => {
            let memory = heads.memory(&x, own, pass)?;
            let bias = inputs.bias.as_ref().map(Var::as_tensor);
            heads.attend(&attention::Rows::new(&x, own), &memory, bias, pass)?
        }
        Inner::CrossAttention(heads) => {
            let memory = heads.memory(&inputs.memory, theirs, pass)?;
            heads.attend(&attention::Rows::new(&x, own), &memory, None, pass)?
        }
        Inner::FeedForward {
            inward,
            gated: gate,
            outward,
            non_linearity,
            dropout,
        } => {
            let inner = inward.forward(&x, pass)?;
            let inner = match gate {
                Some(gate) => gated(&inner, &gate.forward(&x, pass)?, *non_linearity)?,
                None => activation(&inner, *non_linearity)?,
            };
            let inner = match dropout {
                Some(site) => pass.dropout(&inner, site)?,
                None => inner,
            };
            outward.forward(&inner, pass)?
        }
    };
    let after = (branch.order == NormOrder::After).then_some(branch.norm);
    let joined = branch.junction.join(
        &BranchOutput {
            input: &x,
            output: &y,
            residual: h,
            norm: after,
        },
        pass,
    )?;
    match after {
        Some(norm) => norm.forward(&joined),
        None => Ok(joined),
    }
}

/// Values and gradients, with what they are of.
type Results = Vec<(String, Vec<f64>)>;

fn of_composed(
    branch: &BranchOutline<'_>,
    inputs: &Inputs,
    (trainables, pass): (&Trainables, &Pass),
) -> Results {
    let mut next = composed(branch, inputs, pass).unwrap();
    let sum = (&next * &inputs.weights).unwrap().sum_all().unwrap();
    let store = sum.backward().unwrap();
    let own = |var: &Var| match store.get(var) {
        Some(gradient) => flattened(gradient),
        None => vec![0.0; var.elem_count()],
    };
    if inputs.first {
        let own = &inputs.at.0;
        let starts: Vec<u32> = own.offsets().iter().map(|&start| index(start)).collect();
        let starts = Tensor::new(&starts[..own.batch()], &Device::Cpu).unwrap();
        next = next.index_select(&starts, 0).unwrap();
    }
    let mut all = vec![
        ("next".to_owned(), flattened(&next)),
        ("hidden".to_owned(), own(&inputs.hidden)),
        ("memory".to_owned(), own(&inputs.memory)),
    ];
    if let Some(bias) = &inputs.bias {
        all.push(("bias".to_owned(), own(bias)));
    }
    let flat = flattened(&trainables.gradient(&store).unwrap());
    all.extend(named(trainables, &flat));
    all
}

/// The parts of a flat gradient.
fn named(trainables: &Trainables, flat: &[f64]) -> Results {
    let parameters = trainables.parameters().iter();
    parameters
        .map(|p| (p.name.clone(), flat[p.start..p.start + p.len()].to_vec()))
        .collect()
}

fn of_fused<T: Real>(
    branch: &BranchOutline<'_>,
    inputs: &Inputs,
    (trainables, pass): (&Trainables, &Pass),
) -> Results {
    let planner = Planner {
        trainables,
        mixed: false,
    };
    let branch = Branch::plan(branch, planner).unwrap();
    let values = View::<T>::of(trainables.values()).unwrap();
    let buffers = Buffers::default();
    let context = Context {
        values: &values,
        keep: Keep::All,
        pass,
        buffers: &buffers,
        rows: None,
    };
    let view = |tensor| View::<T>::of(tensor).unwrap();
    let (hidden, memory, dnext) = (
        view(&inputs.hidden),
        view(&inputs.memory),
        view(&inputs.weights),
    );
    let (own, theirs) = &inputs.at;
    let data = inputs
        .bias
        .as_ref()
        .map(|bias| View::<T>::of(bias).unwrap());
    let shape = inputs.bias.as_ref().map_or([0; 3], |bias| {
        let (_, heads, height, width) = bias.dims4().unwrap();
        [heads, height, width]
    });
    let looks = if matches!(branch.inner, crate::fused::branch::Inner::CrossAttention(_)) {
        Looks::At(Rows {
            rows: &memory,
            segments: theirs,
        })
    } else {
        Looks::Inside(data.as_deref().map(|data| Bias { data, shape }))
    };
    // Where all but the first row of each sequence gets no gradient, they need not go on.
    let narrows = inputs.first && branch.can_narrow();
    let (looks, dnext) = if narrows {
        let dnext = first_rows(&dnext, own, &buffers);
        (Looks::FromFirst, dnext)
    } else {
        (looks, buffers.copy(&dnext))
    };
    let (next, kept) = branch
        .forward(buffers.copy(&hidden), (own, looks), &context)
        .unwrap();
    let mut flat = vec![T::zero(); trainables.total()];
    let mut dmemory = vec![T::zero(); memory.len()];
    let mut dbias = vec![T::zero(); shape.iter().product()];
    let inside = matches!(branch.inner, crate::fused::branch::Inner::SelfAttention(_));
    let elsewhere = Elsewhere {
        memory: Some((&memory, Some(&mut dmemory))),
        bias: (inside && data.is_some()).then_some((&mut dbias[..], shape)),
    };
    let dhidden = branch
        .backward(
            kept,
            dnext,
            (Wanted::Input, elsewhere),
            &context,
            &mut Gradient::new(&mut flat),
        )
        .unwrap();
    let wide = |values: &[T]| values.iter().map(|x| x.to_f64()).collect::<Vec<_>>();
    let next = if inputs.first && !narrows {
        first_rows(&next, own, &buffers)
    } else {
        next
    };
    let mut all = vec![
        ("next".to_owned(), wide(&next)),
        ("hidden".to_owned(), wide(&dhidden.unwrap())),
        ("memory".to_owned(), wide(&dmemory)),
    ];
    if data.is_some() {
        all.push(("bias".to_owned(), wide(&dbias)));
    }
    all.extend(named(trainables, &wide(&flat)));
    all
}

fn random(shape: &[usize], dtype: DType, key: Key) -> Tensor {
    let count = shape.iter().product::<usize>() as u64;
    let values: Vec<f64> = (0..count).map(|at| key.normal(at)).collect();
    let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    tensor.to_dtype(dtype).unwrap()
}

/// Rows `[tokens, 1]` that are 1 where a sequence starts, and 0 elsewhere.
fn of_first_rows(segments: &Segments, dtype: DType) -> Tensor {
    let mut chosen = vec![0f64; segments.tokens()];
    for &start in &segments.offsets()[..segments.batch()] {
        chosen[start] = 1.0;
    }
    let shape = (segments.tokens(), 1);
    let chosen = Tensor::from_vec(chosen, shape, &Device::Cpu).unwrap();
    chosen.to_dtype(dtype).unwrap()
}

/// Runs every branch of a model both ways.
fn branches_agree(
    table: &str,
    shape: &ModelShape,
    (lengths, dropout, first): (&[(usize, usize)], f64, bool),
    (dtype, tolerance, seed): (DType, f64, u64),
) {
    let mut model = made_up(shape, Pooling::Mean, dtype, seed);
    let trainables = installed(table, &mut model);
    let pass = Pass::training(dropout, Key::new(seed).with(1));
    let segments = |pick: fn(&(usize, usize)) -> usize| {
        let mut offsets = vec![0];
        offsets.extend(lengths.iter().scan(0, |end, pair| {
            *end += pick(pair);
            Some(*end)
        }));
        Segments::new(&offsets, dtype, &Device::Cpu).unwrap()
    };
    let (source, target) = (segments(|pair| pair.0), segments(|pair| pair.1));
    let stacks = match model.outline().unwrap() {
        Outline::EncoderDecoder {
            encoder, decoder, ..
        } => vec![(encoder, source.clone()), (decoder, target)],
        Outline::Encoder { stack, .. } => vec![(stack, source.clone())],
    };
    for (stack, own) in stacks {
        let longest = own.longest();
        for (at, branch) in stack.branches.iter().enumerate() {
            let key = Key::new(seed).with(2 + at as u64);
            let var =
                |shape: &[usize], key: Key| Var::from_tensor(&random(shape, dtype, key)).unwrap();
            let rows = [own.tokens(), shape.d_model];
            let bias = stack
                .relative
                .is_some()
                .then(|| var(&[1, shape.heads, longest, longest], key.with(2)));
            let mut weights = random(&rows, dtype, key.with(3));
            if first {
                weights = weights.broadcast_mul(&of_first_rows(&own, dtype)).unwrap();
            }
            let inputs = Inputs {
                hidden: var(&rows, key),
                memory: var(&[source.tokens(), shape.d_model], key.with(1)),
                bias,
                weights,
                first,
                at: (own.clone(), source.clone()),
            };
            let expected = of_composed(branch, &inputs, (&trainables, &pass));
            let found = match dtype {
                DType::F64 => of_fused::<f64>(branch, &inputs, (&trainables, &pass)),
                _ => of_fused::<f32>(branch, &inputs, (&trainables, &pass)),
            };
            assert_eq!(found.len(), expected.len());
            let whole = expected[1..].iter().map(|(_, x)| largest(x));
            let whole = whole.fold(0f64, f64::max);
            for ((what, found), (_, expected)) in found.iter().zip(&expected) {
                let allowed = allowed((what, expected), whole, (dtype, tolerance));
                for (found, expected) in found.iter().zip(expected) {
                    assert!(
                        (found - expected).abs() <= allowed,
                        "{table}\n{}: {what}: {found} against {expected} (± {allowed:e})",
                        branch.junction.path
                    );
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_branch_is_the_composed_one_in_single_precision_too(
        family in prop_oneof![Just("t5-small"), Just("t5-v1_1-small"), Just("all-MiniLM-L6-v2")],
        (heads, head_width, inner) in (1_usize..4, 1_usize..5, 1_usize..40),
        lengths in collection::vec((1_usize..32, 1_usize..6), 1..5),
        (method, seed) in (0..METHODS.len(), 0_u64..1000),
        dropout in prop_oneof![Just(0.0), Just(0.4)],
        first in any::<bool>(),
    ) {
        let Some(shape) = small(family, (heads, head_width, inner), METHODS[method]) else {
            return Ok(());
        };
        for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
            let work = (&lengths[..], dropout, first);
            branches_agree(METHODS[method], &shape, work, (dtype, tolerance, seed));
        }
    }
}
