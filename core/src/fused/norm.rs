//! The norms of both families.

use super::elementwise::{add_row_sums, add_to_rows};
use super::param::{Gradient, Param};
use super::{Context, Planner};
use crate::model;
use crate::ops::cpu::{Real, Write};
use crate::ops::norm::Form;
use crate::{Error, Result};

/// A layer norm.
#[derive(Debug)]
pub(super) struct Norm {
    weight: Param,
    bias: Option<Param>,  // None: the root-mean-square form
    shift: Option<Param>, // added by a module
    epsilon: f64,
}

impl Norm {
    pub(super) fn plan(norm: &model::Norm, planner: Planner<'_>) -> Result<Self> {
        let shift = match norm.module.get() {
            None => None,
            Some(module) => {
                let shift = module.as_shift().ok_or_else(|| {
                    Error::method(format!(
                        "{} holds a module, which the hand-written step does not know",
                        norm.path
                    ))
                })?;
                Some(Param::tensor(shift, planner)?)
            }
        };
        let bias = norm.bias.as_ref();
        Ok(Self {
            weight: Param::of(&norm.weight, &norm.path, planner)?,
            bias: bias
                .map(|bias| Param::of(bias, &norm.path, planner))
                .transpose()?,
            shift,
            epsilon: norm.epsilon,
        })
    }

    pub(super) fn is_trained(&self) -> bool {
        let added = self.bias.iter().chain(&self.shift);
        self.weight.is_trained() || added.into_iter().any(Param::is_trained)
    }

    fn form(&self) -> Form {
        if self.bias.is_some() {
            Form::Full
        } else {
            Form::RootMeanSquare
        }
    }

    /// Norms rows `x: [tokens, d_model]` into `y`.
    pub(super) fn forward<T: Real>(
        &self,
        x: &[T],
        y: &mut [T],
        context: &Context<'_, T>,
    ) -> Result<()> {
        let weight = self.weight.read(context.values)?;
        let bias = self.bias.as_ref().map(|bias| bias.read(context.values));
        let bias = bias.transpose()?;
        let epsilon = T::from_f64(self.epsilon);
        self.form().forward(x, &weight, bias.as_deref(), epsilon, y);
        if let Some(shift) = &self.shift {
            let shift = shift.read(context.values)?;
            add_to_rows(y, shift.len(), &shift);
        }
        Ok(())
    }

    /// The gradient of `x` into `dx`, as `write` says.
    pub(super) fn backward<T: Real>(
        &self,
        (x, dy): (&[T], &[T]),
        (dx, write): (&mut [T], Write),
        context: &Context<'_, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<()> {
        let weight = self.weight.read(context.values)?;
        let epsilon = T::from_f64(self.epsilon);
        let (dw, db) = self.form().backward((x, &weight, dy), epsilon, dx, write);
        gradient.add(&self.weight, &dw);
        if let Some(bias) = &self.bias {
            gradient.add(bias, &db);
        }
        if let Some(sum) = self.shift.as_ref().and_then(|shift| gradient.of(shift)) {
            add_row_sums(dy, sum.len(), sum);
        }
        Ok(())
    }
}
