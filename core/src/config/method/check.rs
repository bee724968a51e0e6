//! Which settings a method has, and which values they may take.

use super::{
    Convention, FastInit, FastWeights, MethodConfig, MethodKind, Placement, PromptInit, SlowInit,
};
use crate::config::complaint::{Complaint, Outcome, at_least, ensure, positive};

const ADAPTER: &[&str] = &[
    "reduction_factor",
    "non_linearity",
    "placement",
    "positions",
    "init_range",
    "train_layer_norms",
    "leave_out",
];
const ADAPTER_DROP: &[&str] = &[
    "reduction_factor",
    "non_linearity",
    "placement",
    "positions",
    "init_range",
    "train_layer_norms",
    "leave_out",
    "drop_first",
];
const PARALLEL: &[&str] = &[
    "reduction_factor",
    "non_linearity",
    "placement",
    "positions",
    "scale",
    "train_layer_norms",
    "leave_out",
];
const LOW_RANK: &[&str] = &[
    "rank",
    "reduction_factor",
    "non_linearity",
    "placement",
    "positions",
    "train_layer_norms",
    "leave_out",
];
const COMPACTER: &[&str] = &[
    "n",
    "rank",
    "reduction_factor",
    "non_linearity",
    "placement",
    "positions",
    "slow",
    "learn_slow",
    "fast",
    "fast_init",
    "slow_init",
    "init_range",
    "train_layer_norms",
    "leave_out",
];
const LORA: &[&str] = &["rank", "alpha", "targets", "dropout"];
const DORA: &[&str] = &["rank", "alpha", "targets", "dropout", "gradient"];

/// The projections of an attention that `LoRA` can update.
const PROJECTIONS: [&str; 4] = ["q", "k", "v", "o"];

impl MethodKind {
    /// The settings that the method has beside `kind` and `convention`.
    #[must_use]
    pub fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Full | Self::Head | Self::BitFit | Self::LayerNorm => &[],
            Self::Adapter | Self::Pfeiffer => ADAPTER,
            Self::AdapterDrop => ADAPTER_DROP,
            Self::Parallel => PARALLEL,
            Self::LowRank => LOW_RANK,
            Self::Phm | Self::Compacter | Self::CompacterPlusPlus => COMPACTER,
            Self::Lora => LORA,
            Self::Dora => DORA,
            Self::Ia3 => &["placement"],
            Self::Prefix => &["length", "bottleneck", "placement"],
            Self::Prompt | Self::PromptVocab => &["length", "prompt_init", "placement"],
            Self::Said => &["dimension", "gradient"],
        }
    }

    /// The places where the method can act, of those that it has a setting for.
    fn placements(self) -> &'static [Placement] {
        match self {
            Self::Prompt | Self::PromptVocab => &[Placement::Adapterhub, Placement::Peft],
            Self::Prefix => &[Placement::Paper, Placement::Adapterhub, Placement::Peft],
            _ => &[Placement::Paper, Placement::Adapterhub],
        }
    }
}

impl MethodConfig {
    /// Checks everything that can be known without the model.
    pub(crate) fn check(&self) -> Outcome {
        self.check_settings()?;
        ensure(
            self.convention == Convention::Paper || self.kind.is_in_adapterhub(),
            "method.convention",
            format!("AdapterHub has no `{}`; remove it", self.kind),
        )?;
        at_least("method.n", self.n, 1)?;
        at_least("method.rank", self.rank, 1)?;
        at_least("method.reduction_factor", self.reduction_factor, 1)?;
        positive("method.init_range", self.init_range)?;
        positive("method.alpha", self.alpha)?;
        positive("method.scale", self.scale)?;
        at_least("method.drop_first", self.drop_first, 1)?;
        at_least("method.length", self.length, 1)?;
        at_least("method.dimension", self.dimension, 1)?;
        if let Some(dropout) = self.dropout {
            let message = format!("must be at least 0 and below 1, found {dropout}");
            ensure((0.0..1.0).contains(&dropout), "method.dropout", message)?;
        }
        self.check_idle()?;
        self.check_placement()?;
        let other = match self.kind {
            MethodKind::Prompt => Some((PromptInit::Vocab, MethodKind::PromptVocab)),
            MethodKind::PromptVocab => Some((PromptInit::Uniform, MethodKind::Prompt)),
            _ => None,
        };
        if let Some((init, kind)) = other {
            ensure(
                self.prompt_init != Some(init),
                "method.prompt_init",
                format!("is that of `{kind}`: set method.kind to it"),
            )?;
        }
        self.check_leave_out()?;
        self.check_targets()
    }

    /// Refuses settings that the kind does not have.
    fn check_settings(&self) -> Outcome {
        let has = self.kind.settings();
        for key in self.given()? {
            let path = format!("method.{key}");
            let list = match has {
                [] => format!("`{}` has no settings; remove it", self.kind),
                has => format!(
                    "`{}` has no such setting; it has {}",
                    self.kind,
                    has.join(", ")
                ),
            };
            ensure(has.contains(&key.as_str()), &path, list)?;
        }
        Ok(())
    }

    /// Refuses settings that another setting leaves without effect.
    fn check_idle(&self) -> Outcome {
        let compacter = self.kind.settings() == COMPACTER;
        let dense = compacter && self.fast_weights() == FastWeights::Dense;
        ensure(
            !(dense && self.rank.is_some()),
            "method.rank",
            "has no effect with `fast = \"dense\"`; remove one of the two",
        )?;
        let normal =
            self.slow_init != Some(SlowInit::Uniform) || self.fast_init == Some(FastInit::Normal);
        ensure(
            !(compacter && self.init_range.is_some() && !normal),
            "method.init_range",
            "has no effect: neither slow_init nor fast_init is `normal`; remove it",
        )
    }

    fn check_placement(&self) -> Outcome {
        let has = self.kind.placements();
        match self.placement {
            Some(placement) if !has.contains(&placement) => {
                let names: Vec<&str> = has.iter().map(|placement| placement.as_str()).collect();
                let path = "method.placement";
                Err(Complaint::not_one_of(path, placement.as_str(), &names))
            }
            _ => Ok(()),
        }
    }

    fn check_leave_out(&self) -> Outcome {
        let blocks = self.leave_out.as_deref().unwrap_or_default();
        for (at, block) in blocks.iter().enumerate() {
            ensure(
                !blocks[..at].contains(block),
                &format!("method.leave_out.{at}"),
                format!("block {block} is listed twice"),
            )?;
        }
        Ok(())
    }

    fn check_targets(&self) -> Outcome {
        let Some(targets) = &self.targets else {
            return Ok(());
        };
        let message = "must name at least one of q, k, v, o";
        ensure(!targets.is_empty(), "method.targets", message)?;
        for (at, target) in targets.iter().enumerate() {
            let path = format!("method.targets.{at}");
            if !PROJECTIONS.contains(&target.as_str()) {
                return Err(Complaint::not_one_of(&path, target, &PROJECTIONS));
            }
            let message = format!("`{target}` is listed twice");
            ensure(!targets[..at].contains(target), &path, message)?;
        }
        Ok(())
    }

    /// The settings that the configuration decides itself.
    fn given(&self) -> Outcome<Vec<String>> {
        // Written out, what is not decided is left out.
        let written = toml::Table::try_from(self).map_err(|error| {
            Complaint::new("method", format!("cannot be written as TOML: {error}"))
        })?;
        let chooses = |key: &String| matches!(key.as_str(), "kind" | "convention");
        Ok(written
            .into_iter()
            .map(|(key, _)| key)
            .filter(|key| !chooses(key))
            .collect())
    }
}
