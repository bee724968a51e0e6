//! Configurations: syntax, keys, types, ranges, and what does not fit together.

use super::case::{Case, Damage};
use Damage::{Remove, Replace, Write};

const FILE: &str = "run.toml";

pub(crate) fn cases() -> Vec<Case> {
    [written(), ranges(), fitting(), overrides()].concat()
}

/// What cannot be read as a configuration.
fn written() -> Vec<Case> {
    vec![
        Case::train(
            "a missing configuration",
            [Remove(FILE)],
            &["run.toml: no such file", "compacter init"],
        ),
        Case::train(
            "an empty configuration",
            [Write(FILE, Vec::new())],
            &["run.toml: name: is missing"],
        ),
        Case::train(
            "a configuration that is not UTF-8",
            [Write(FILE, b"name = \"a\"\n# \xff\n".to_vec())],
            &["run.toml:2:3", "not UTF-8"],
        ),
        Case::train(
            "an open quote",
            [Replace(FILE, "\"tiny\"", "\"tiny")],
            &["run.toml:2:"],
        ),
        Case::train(
            "a key without a value",
            [Replace(FILE, "n = 4", "n =")],
            &["run.toml:9:", "no value after `=`"],
        ),
        Case::train(
            "a key that is there twice",
            [Replace(FILE, "n = 4", "n = 4\nn = 4")],
            &["run.toml:10:1", "`n` is there twice"],
        ),
        Case::train(
            "a misspelt key",
            [Replace(FILE, "learning_rate", "learning_rat")],
            &[
                "run.toml:23:1: train.learning_rat",
                "did you mean `learning_rate`?",
            ],
        ),
        Case::train(
            "a misspelt table",
            [Replace(FILE, "[train]", "[trian]")],
            &["run.toml:20:2: trian", "did you mean `train`?"],
        ),
        Case::train(
            "a missing name",
            [Replace(FILE, "name = \"tiny\"\n", "")],
            &["run.toml: name: is missing"],
        ),
        Case::train(
            "a name that leaves the runs folder",
            [Replace(FILE, "\"tiny\"", "\"../tiny\"")],
            &["run.toml:2:1: name"],
        ),
    ]
}

/// Values of a wrong type or beyond their range.
fn ranges() -> Vec<Case> {
    let refused = |name, from, to, says| Case::train(name, [Replace(FILE, from, to)], says);
    vec![
        refused(
            "text for a number",
            "batch_size = 16",
            "batch_size = \"16\"",
            &["run.toml:22:1: train.batch_size", "remove the quotes"],
        ),
        refused(
            "a number for text",
            "kind = \"compacter\"",
            "kind = 3",
            &["run.toml:8:1: method.kind"],
        ),
        refused(
            "a negative learning rate",
            "1e-2",
            "-1e-2",
            &["run.toml:23:1: train.learning_rate", "-0.01"],
        ),
        refused(
            "an infinite learning rate",
            "1e-2",
            "inf",
            &["run.toml:23:1: train.learning_rate", "inf"],
        ),
        refused(
            "an empty batch",
            "batch_size = 16",
            "batch_size = 0",
            &["run.toml:22:1: train.batch_size", "at least 1"],
        ),
        refused(
            "a fraction of a batch",
            "batch_size = 16",
            "batch_size = 1.5",
            &["run.toml:22:1: train.batch_size", "whole number"],
        ),
        refused(
            "a label twice",
            "\"negative\", \"positive\"",
            "\"negative\", \"negative\"",
            &[
                "run.toml:18:",
                "task.labels.1",
                "`negative` is listed twice",
            ],
        ),
    ]
}

/// What does not fit the method, the task, the model or the machine.
fn fitting() -> Vec<Case> {
    let refused = |name, from, to, says| Case::train(name, [Replace(FILE, from, to)], says);
    vec![
        refused(
            "an unknown method",
            "\"compacter\"",
            "\"compactor\"",
            &["run.toml:8:1: method.kind", "did you mean `compacter`?"],
        ),
        refused(
            "a key of another method",
            "kind = \"compacter\"",
            "kind = \"lora\"",
            &["run.toml:9:1: method.n", "`lora` has no such setting"],
        ),
        refused(
            "an n that does not divide the width",
            "n = 4",
            "n = 5",
            &["run.toml:7:2: method", "32", "1, 2, 4, 8"],
        ),
        refused(
            "a reduction to no width",
            "reduction_factor = 4",
            "reduction_factor = 64",
            &["run.toml:7:2: method", "64"],
        ),
        refused(
            "a layer to leave out that is not there",
            "n = 4",
            "n = 4\nleave_out = [7]",
            &["run.toml:7:2: method", "7"],
        ),
        refused(
            "a metric of another task",
            "[train]",
            "[eval]\nmetric = \"pearson\"\n[train]",
            &["run.toml:21:1: eval.metric", "accuracy, f1, matthews"],
        ),
        refused(
            "a task by a name that is not there",
            "kind = \"classification\"",
            "name = \"glue/sst3\"",
            &["run.toml:14:1: task.train", "glue/sst3"],
        ),
        refused(
            "a task that an encoder cannot do",
            "kind = \"classification\"",
            "kind = \"text-to-text\"",
            &["run.toml:18:1: task.labels"],
        ),
    ]
}

/// What is set on the command line.
fn overrides() -> Vec<Case> {
    let set = |name, set: &'static str, says| Case::train(name, [], says).with(["--set", set]);
    vec![
        set(
            "a --set without a value",
            "train.epochs",
            &["--set train.epochs", "train.learning_rate=1e-3"],
        ),
        set(
            "a --set of an unknown key",
            "train.epoch=3",
            &["--set train.epoch=3: train.epoch", "did you mean `epochs`?"],
        ),
        set(
            "a --set beyond the range",
            "train.dropout=1.5",
            &["--set train.dropout=1.5: train.dropout", "1.5"],
        ),
        set(
            "an unknown device",
            "model.device=gpu",
            &["--set model.device=gpu: model.device", "cuda:0"],
        ),
        set(
            "a device that this build has not",
            "model.device=cuda:0",
            &["--set model.device=cuda:0: model.device", "cuda"],
        ),
        set(
            "TF32 without a GPU",
            "model.tf32=true",
            &["--set model.tf32=true: model.tf32", "needs an NVIDIA GPU"],
        ),
        set(
            "a method set that does not fit",
            "method.n=3",
            &["method", "3", "32"],
        ),
        Case::train("an unknown option", [], &["--sat"]).with(["--sat", "x=1"]),
        Case::train("two ways to start", [], &["--fresh", "--resume"])
            .with(["--fresh", "--resume"]),
        Case::train("nothing to resume", [], &["runs/tiny", "no such run"]).with(["--resume"]),
    ]
}
