//! Checks that types cannot make: ranges, and settings that exclude each other.

use std::path::Path;

use super::complaint::{Complaint, Outcome, at_least, ensure, positive};
use super::{
    Dtype, EvalEvery, MethodKind, MixedPrecision, ModelConfig, RunConfig, StepForm, TaskConfig,
    TaskKind, TrainConfig, Warmup,
};
use crate::error::{Error, Result};

/// More threads than any machine has; rayon would try to start them.
const MOST_THREADS: usize = 1024;

/// Longest name of a run, in characters: folders allow 255 bytes.
const LONGEST_NAME: usize = 100;

impl RunConfig {
    /// Checks everything that can be known without reading the data or the model.
    ///
    /// [`RunConfig::parse`] does so itself, and knows the line; this is for configurations
    /// that a program puts together.
    ///
    /// # Errors
    /// [`Error::Config`] about the first field that cannot be used.
    pub fn validate(&self) -> Result<()> {
        self.check()
            .map_err(|complaint| Error::setting(complaint.field(), complaint.message))
    }

    pub(super) fn check(&self) -> Outcome {
        check_name(&self.name)?;
        self.model.check()?;
        self.check_precision()?;
        self.method.check()?;
        self.task.check()?;
        self.train.check()?;
        if let EvalEvery::Steps(steps) = self.eval.every {
            at_least("eval.every", steps, 1)?;
        }
        at_least("eval.batch_size", self.eval.batch_size, 1)?;
        let metric = self.eval.metric.as_deref();
        ensure(metric != Some(""), "eval.metric", "must not be empty")?;
        check_path("output.directory", &self.output.directory)?;
        at_least("output.log_every", self.output.log_every, 1)?;
        ensure(
            !self.output.tensorboard || cfg!(feature = "tensorboard"),
            "output.tensorboard",
            "this program was built without the feature `tensorboard`",
        )?;
        let command = self.output.on_finish.as_deref();
        ensure(
            command.is_none_or(|command| !command.trim().is_empty() && !command.contains('\0')),
            "output.on_finish",
            "must be a shell command; leave it out for none",
        )?;
        // A number that only a program could have set, too large for TOML.
        toml::Table::try_from(self)
            .map(drop)
            .map_err(|error| Complaint::whole(format!("cannot be written as TOML: {error}")))
    }
}

impl RunConfig {
    /// Number formats that do not go together, or act on nothing.
    fn check_precision(&self) -> Outcome {
        let (model, full) = (&self.model, self.method.kind == MethodKind::Full);
        if let Some(frozen) = model.frozen_dtype {
            let field = "model.frozen_dtype";
            let message = "must be bf16, or left out for that of model.dtype";
            ensure(
                frozen == Dtype::Bf16 || frozen == model.dtype,
                field,
                message,
            )?;
            let message = "has nothing to act on: method `full` trains every weight; leave it out";
            ensure(!full, field, message)?;
        }
        if self.train.mixed_precision == MixedPrecision::No {
            return Ok(());
        }
        let field = "train.mixed_precision";
        let message = "needs model.dtype = \"f32\"";
        ensure(model.dtype == Dtype::F32, field, message)?;
        let message = "has nothing to act on: method `full` trains every weight; leave it out";
        ensure(!full, field, message)?;
        let message = "is the hand-written step's, which train.step = \"composed\" rules out";
        ensure(self.train.step != StepForm::Composed, field, message)?;
        let message = "is for the CPU; on a GPU, set model.dtype = \"bf16\"";
        ensure(!model.device.starts_with("cuda"), field, message)
    }
}

impl ModelConfig {
    fn check(&self) -> Outcome {
        ensure(!self.path.is_empty(), "model.path", "must not be empty")?;
        check_device(&self.device)?;
        for (field, wanted) in [
            ("model.tf32", self.tf32),
            ("model.cuda_kernels", self.cuda_kernels),
        ] {
            let message = "needs an NVIDIA GPU, and model.device is the CPU: set one of them";
            ensure(!wanted || self.device != "cpu", field, message)?;
            let message = "does nothing in f64: set it to false, or model.dtype to f32 or bf16";
            ensure(!wanted || self.dtype != Dtype::F64, field, message)?;
        }
        Ok(())
    }
}

impl TrainConfig {
    fn check(&self) -> Outcome {
        positive("train.epochs", self.epochs)?;
        at_least("train.max_steps", self.max_steps, 1)?;
        at_least("train.batch_size", self.batch_size, 1)?;
        positive("train.learning_rate", self.learning_rate)?;
        if let Warmup::Percent(percent) = self.warmup {
            let message = format!("must be between 0% and 100%, found {percent}%");
            ensure((0.0..=100.0).contains(&percent), "train.warmup", message)?;
        }
        not_negative("train.weight_decay", self.weight_decay)?;
        not_negative("train.clip_norm", self.clip_norm)?;
        if let Some(dropout) = self.dropout {
            let message = format!("must be at least 0 and below 1, found {dropout}");
            ensure((0.0..1.0).contains(&dropout), "train.dropout", message)?;
        }
        at_least("train.accumulation", self.accumulation, 1)?;
        at_least("train.checkpoint_every", self.checkpoint_every, 1)?;
        at_least("train.max_skipped", self.max_skipped, 1)?;
        let message = format!("must be at most {MOST_THREADS}, found {}", self.threads);
        ensure(self.threads <= MOST_THREADS, "train.threads", message)
    }
}

impl TaskConfig {
    fn check(&self) -> Outcome {
        at_least("task.max_train_samples", self.max_train_samples, 1)?;
        at_least("task.max_length", self.max_length, 2)?;
        at_least("task.max_target_length", self.max_target_length, 2)?;
        match &self.name {
            Some(name) => self.check_named(name),
            None => self.check_described(),
        }
    }

    /// A known task brings its files, columns and labels.
    fn check_named(&self, name: &str) -> Outcome {
        ensure(!name.is_empty(), "task.name", "must not be empty")?;
        for (key, given) in [
            ("kind", self.kind.is_some()),
            ("train", self.train.is_some()),
            ("validation", self.validation.is_some()),
            ("test", self.test.is_some()),
            ("validation_fraction", self.validation_fraction.is_some()),
            ("text", !self.text.is_empty()),
            ("template", self.template.is_some()),
            ("label", self.label.is_some()),
            ("labels", !self.labels.is_empty()),
        ] {
            let message = format!("the task `{name}` brings its own; remove this or task.name");
            ensure(!given, &format!("task.{key}"), message)?;
        }
        if name.starts_with("glue/") || name.starts_with("super_glue/") {
            return self.check_benchmark();
        }
        self.check_no_benchmark()
    }

    /// What only the tasks of GLUE and SuperGLUE have.
    fn check_benchmark(&self) -> Outcome {
        let source = self.source.as_deref();
        ensure(source != Some(""), "task.source", "must not be empty")?;
        for (at, quirk) in self.quirks.iter().enumerate() {
            let message = format!("`{}` is listed twice", quirk.name());
            ensure(!self.quirks[..at].contains(quirk), "task.quirks", message)?;
        }
        Ok(())
    }

    fn check_no_benchmark(&self) -> Outcome {
        for (key, given) in [
            ("source", self.source.is_some()),
            ("split", self.split.is_some()),
            ("data_seed", self.data_seed.is_some()),
            ("prefix", self.prefix.is_some()),
            ("quirks", !self.quirks.is_empty()),
        ] {
            let message = "is for tasks named glue/… or super_glue/…; remove it";
            ensure(!given, &format!("task.{key}"), message)?;
        }
        Ok(())
    }

    fn check_described(&self) -> Outcome {
        self.check_no_benchmark()?;
        let Some(kind) = self.kind else {
            let message = "names no task: give `name`, or `kind`, `train`, `text` and `label`";
            return Err(Complaint::new("task", message));
        };
        for (key, given) in [
            ("train", self.train.is_some()),
            ("text", !self.text.is_empty()),
            ("label", self.label.is_some()),
        ] {
            let message = "is missing; a task without a name needs kind, train, text and label";
            ensure(given, &format!("task.{key}"), message)?;
        }
        for (key, path) in [
            ("train", &self.train),
            ("validation", &self.validation),
            ("test", &self.test),
        ] {
            path.iter()
                .try_for_each(|path| check_path(&format!("task.{key}"), path))?;
        }
        self.check_columns()?;
        self.check_fraction()?;
        self.check_kind(kind)
    }

    fn check_columns(&self) -> Outcome {
        unique("task.text", &self.text)?;
        let label = self.label.as_deref().unwrap_or_default();
        ensure(!label.is_empty(), "task.label", "must not be empty")?;
        if let Some(at) = self.text.iter().position(|column| column == label) {
            let message = format!("`{label}` is the label; the input must not hold the answer");
            return Err(Complaint::new(&format!("task.text.{at}"), message));
        }
        let Some(template) = &self.template else {
            return Ok(());
        };
        let column = template
            .split_once('{')
            .and_then(|(_, after)| after.split_once('}'));
        let message = "has no {column} in it, so every input would be the same";
        ensure(
            column.is_some_and(|(name, _)| !name.is_empty()),
            "task.template",
            message,
        )
    }

    fn check_fraction(&self) -> Outcome {
        let Some(fraction) = self.validation_fraction else {
            return Ok(());
        };
        let field = "task.validation_fraction";
        let message = format!("must be above 0 and below 1, found {fraction}");
        ensure(fraction > 0.0 && fraction < 1.0, field, message)?;
        let message = "has no effect beside task.validation; remove one of the two";
        ensure(self.validation.is_none(), field, message)
    }

    /// Checks what only some kinds of task have.
    fn check_kind(&self, kind: TaskKind) -> Outcome {
        if kind == TaskKind::Classification {
            unique("task.labels", &self.labels)?;
            let message = "must name at least two classes, or be left out";
            ensure(self.labels.len() != 1, "task.labels", message)?;
        } else {
            let message = "only classification has labels; remove it";
            ensure(self.labels.is_empty(), "task.labels", message)?;
        }
        let message = "only text-to-text tasks have it; remove it";
        ensure(
            kind == TaskKind::TextToText || self.max_target_length.is_none(),
            "task.max_target_length",
            message,
        )
    }
}

/// Checks that the name can be that of a folder, and be typed after a command.
fn check_name(name: &str) -> Outcome {
    let complain = |what: &str| Err(Complaint::new("name", format!("{name:?} {what}")));
    if name.is_empty() || name == "." || name == ".." {
        return complain("is no name for a folder; choose one such as sst2-compacter");
    }
    if let Some(c) = name
        .chars()
        .find(|c| matches!(c, '/' | '\\') || c.is_control())
    {
        return complain(&format!("must be one plain folder's name, without {c:?}"));
    }
    if name.starts_with('-') {
        return complain("must not start with `-`: commands would take it for an option");
    }
    if name.trim() != name {
        return complain("must not start or end with a space");
    }
    if name.chars().count() > LONGEST_NAME {
        return complain(&format!(
            "must not be longer than {LONGEST_NAME} characters"
        ));
    }
    Ok(())
}

fn check_device(device: &str) -> Outcome {
    let number = device.strip_prefix("cuda:").map(str::parse::<u32>);
    let known = matches!(device, "auto" | "cpu") || matches!(number, Some(Ok(_)));
    let message = format!("`{device}` is not one of auto, cpu, cuda:0, cuda:1, …");
    ensure(known, "model.device", message)
}

fn check_path(field: &str, path: &Path) -> Outcome {
    ensure(!path.as_os_str().is_empty(), field, "must not be empty")
}

fn not_negative(field: &str, value: f64) -> Outcome {
    let message = format!("must be a finite number, 0 or more, found {value}");
    ensure(value.is_finite() && value >= 0.0, field, message)
}

/// Checks that a list's elements are different and none is empty.
fn unique(field: &str, names: &[String]) -> Outcome {
    for (at, name) in names.iter().enumerate() {
        let path = format!("{field}.{at}");
        ensure(!name.is_empty(), &path, "must not be empty")?;
        let message = format!("`{name}` is listed twice");
        ensure(!names[..at].contains(name), &path, message)?;
    }
    Ok(())
}
