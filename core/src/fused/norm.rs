//! The norms of both families.

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
    bias: Option<Param>, // None: the root-mean-square form
    epsilon: f64,
}

impl Norm {
    pub(super) fn plan(norm: &model::Norm, planner: Planner<'_>) -> Result<Self> {
        if norm.module.get().is_some() {
            return Err(Error::method(format!(
                "{} holds a module, which the hand-written step does not know",
                norm.path
            )));
        }
        let bias = norm.bias.as_ref();
        Ok(Self {
            weight: Param::of(&norm.weight, &norm.path, planner)?,
            bias: bias
                .map(|bias| Param::of(bias, &norm.path, planner))
                .transpose()?,
            epsilon: norm.epsilon,
        })
    }

    pub(super) fn is_trained(&self) -> bool {
        self.weight.is_trained() || self.bias.as_ref().is_some_and(Param::is_trained)
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
        Ok(())
    }
}
