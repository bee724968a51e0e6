//! What the presets decide where a configuration is silent.
//!
//! `paper` is the reference implementation of Compacter (arXiv:2106.04647) with the
//! settings of its configuration files, for the methods that it compares; for the others
//! their own papers. `adapterhub` is the library `adapters` 1.3.0 as it behaves when run.
//! They differ in more than the papers say:
//!
//! | setting | paper | adapterhub |
//! |---|---|---|
//! | layer norms | trained beside adapters | frozen |
//! | non-linearity | `gelu_new` | `gelu`; plain adapters `swish`, Pfeiffer's `relu` |
//! | fast weights | Glorot uniform, gain √2 | Xavier normal, gain 1, whatever its own option says |
//! | plain adapters | width / 32, std 0.01 | width / 16, std 0.02 |
//! | Pfeiffer's stand after | self-attention | the feed-forward |
//! | PHM-Adapter's `n` | 12 | 4 |
//! | alpha of `LoRA` and `DoRA` | 16 | 8 |
//! | `DoRA`'s norms in the gradient | constants | functions of the update |
//! | prompts | 100 rows | 10 rows |
//! | T5's prefixes | have no position | count for keys and not for queries |
//!
//! Slow weights start from a normal distribution of standard deviation 1e-4 when shared
//! and 0.01 when not, in both.

use super::{
    BottleneckConfig, Convention, DoraConfig, FastInit, FastWeights, GradientForm, LoraConfig,
    Method, MethodConfig, MethodKind, NonLinearity, PhmConfig, Placement, Positions, PrefixConfig,
    PromptConfig, PromptInit, SaidConfig, SlowInit, SlowWeights,
};
use crate::error::{Error, Result};

/// Blocks of each stack that `AdapterDrop` leaves alone, as in the reference implementation.
const DROPPED: usize = 5;

impl MethodConfig {
    /// The preset of a method, with nothing overridden.
    #[must_use]
    pub fn from_kind(kind: MethodKind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    /// Decides every field: the preset's value where the configuration has none.
    ///
    /// # Errors
    /// When a setting is out of range, without effect, or not one of the method's.
    pub fn resolve(&self) -> Result<Method> {
        self.check()
            .map_err(|complaint| Error::method(complaint.to_string()))?;
        Ok(match self.kind {
            MethodKind::Full => Method::Full,
            MethodKind::Head => Method::Head,
            MethodKind::Adapter | MethodKind::Pfeiffer | MethodKind::AdapterDrop => {
                Method::Adapter {
                    bottleneck: self.bottleneck(),
                    init_std: self.init_range.unwrap_or(self.by(0.01, 0.02)),
                }
            }
            MethodKind::Parallel => Method::Parallel {
                bottleneck: self.bottleneck(),
                scale: self.scale.unwrap_or(4.0),
            },
            MethodKind::LowRank => Method::LowRank {
                bottleneck: self.bottleneck(),
                rank: self.rank.unwrap_or(1),
            },
            MethodKind::Phm | MethodKind::Compacter | MethodKind::CompacterPlusPlus => {
                Method::Compacter {
                    bottleneck: self.bottleneck(),
                    phm: self.phm(),
                }
            }
            MethodKind::Lora => Method::Lora(self.lora()),
            MethodKind::Dora => Method::Dora(DoraConfig {
                update: self.lora(),
                gradient: self
                    .gradient
                    .unwrap_or(self.by(GradientForm::Released, GradientForm::Exact)),
            }),
            MethodKind::BitFit => Method::BitFit,
            MethodKind::LayerNorm => Method::LayerNorm,
            MethodKind::Ia3 => Method::Ia3 {
                placement: self.placement(),
            },
            MethodKind::Prompt => Method::Prompt(self.prompt(PromptInit::Uniform)),
            MethodKind::PromptVocab => Method::Prompt(self.prompt(PromptInit::Vocab)),
            MethodKind::Prefix => Method::Prefix(PrefixConfig {
                length: self.length.unwrap_or(30),
                bottleneck: self.bottleneck.unwrap_or(512),
                placement: self.placement(),
            }),
            MethodKind::Said => Method::Said(SaidConfig {
                dimension: self.dimension.unwrap_or(20_000),
                gradient: self.gradient.unwrap_or(GradientForm::Exact),
            }),
        })
    }

    /// The paper's value, or `AdapterHub`'s.
    fn by<T>(&self, paper: T, hub: T) -> T {
        match self.convention {
            Convention::Paper => paper,
            Convention::Adapterhub => hub,
        }
    }

    fn placement(&self) -> Placement {
        let preset = self.by(Placement::Paper, Placement::Adapterhub);
        self.placement.unwrap_or(preset)
    }

    fn bottleneck(&self) -> BottleneckConfig {
        let (reduction, non_linearity) = self.shape();
        let positions = match self.kind {
            MethodKind::CompacterPlusPlus | MethodKind::Parallel => Positions::FeedForward,
            MethodKind::Pfeiffer => self.by(Positions::SelfAttention, Positions::FeedForward),
            _ => Positions::Both,
        };
        let norms = self.by(self.kind != MethodKind::Parallel, false);
        let dropped = match self.kind {
            MethodKind::AdapterDrop => DROPPED,
            _ => 0,
        };
        BottleneckConfig {
            reduction_factor: self.reduction_factor.unwrap_or(reduction),
            non_linearity: self.non_linearity.unwrap_or(non_linearity),
            placement: self.placement(),
            positions: self.positions.unwrap_or(positions),
            train_layer_norms: self.train_layer_norms.unwrap_or(norms),
            leave_out: self.leave_out.clone().unwrap_or_default(),
            drop_first: self.drop_first.unwrap_or(dropped),
        }
    }

    /// Reduction factor and non-linearity of a preset.
    fn shape(&self) -> (usize, NonLinearity) {
        let paper = (32, NonLinearity::GeluNew);
        match self.kind {
            MethodKind::Parallel => (2, NonLinearity::Relu),
            MethodKind::Adapter | MethodKind::AdapterDrop => {
                self.by(paper, (16, NonLinearity::Swish))
            }
            MethodKind::Pfeiffer => self.by(paper, (16, NonLinearity::Relu)),
            _ => self.by(paper, (32, NonLinearity::Gelu)),
        }
    }

    fn phm(&self) -> PhmConfig {
        let whole = self.kind == MethodKind::Phm;
        let (slow, n) = if whole {
            (SlowWeights::Own, self.by(12, 4))
        } else {
            (SlowWeights::Shared, 4)
        };
        let slow = self.slow.unwrap_or(slow);
        let fast_init = self.by(FastInit::GlorotUniform, FastInit::XavierNormal);
        PhmConfig {
            n: self.n.unwrap_or(n),
            rank: self.rank.unwrap_or(1),
            slow,
            learn_slow: self.learn_slow.unwrap_or(true),
            fast: self.fast_weights(),
            fast_init: self.fast_init.unwrap_or(fast_init),
            slow_init: self.slow_init.unwrap_or(SlowInit::Normal),
            init_range: self.init_range.unwrap_or(match slow {
                SlowWeights::Shared => 1e-4,
                SlowWeights::Own => 0.01,
            }),
        }
    }

    /// How fast weights are held.
    pub(super) fn fast_weights(&self) -> FastWeights {
        self.fast.unwrap_or(match self.kind {
            MethodKind::Phm => FastWeights::Dense,
            _ => FastWeights::Factored,
        })
    }

    fn lora(&self) -> LoraConfig {
        let targets = || vec!["q".to_owned(), "v".to_owned()];
        LoraConfig {
            rank: self.rank.unwrap_or(8),
            alpha: self.alpha.unwrap_or(self.by(16.0, 8.0)),
            targets: self.targets.clone().unwrap_or_else(targets),
            dropout: self.dropout.unwrap_or(0.0),
        }
    }

    fn prompt(&self, init: PromptInit) -> PromptConfig {
        PromptConfig {
            length: self.length.unwrap_or(self.by(100, 10)),
            init: self.prompt_init.unwrap_or(init),
            placement: self.placement.unwrap_or(Placement::Adapterhub),
        }
    }
}
