//! `compacter export` and `compacter import`: adapters out of runs and into them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use candle_core::{DType, Device};
use compacter_core::config::Pooling;
use compacter_core::hub::ModelFiles;
use compacter_core::interop;
use compacter_core::model::{Model, Pass, Placement};
use compacter_core::peft;
use compacter_tests::parity::{Case, Kind, assert_close, largest, method};
use compacter_tests::said::{compacter, json, printed, tiny};
use serde_json::Value;
use tempfile::TempDir;

const HUB: &str = "method.convention=\"adapterhub\"";
const CLS: &str = "model.pooling=\"cls\"";

/// A folder with a run of a few steps in it.
fn trained(settings: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = tiny("run.toml");
    let mut arguments = vec!["train", &config, "--set", "train.max_steps=6"];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    let _told = compacter(folder.path(), &arguments).expect_code(0);
    folder
}

/// What a run makes of the validation split.
fn measured(folder: &Path, run: &str) -> Value {
    json(&printed(folder, &["eval", run, "--json"]))["metrics"].clone()
}

#[test]
fn an_exported_adapter_is_imported_measures_the_same_and_trains_on() {
    let folder = trained(&[HUB, CLS]);
    let (folder, config) = (folder.path(), tiny("run.toml"));
    let export = ["export", "runs/tiny", "hub", "--to", "adapterhub"];
    assert_eq!(printed(folder, &export), "wrote hub\n");
    let import = ["import", "hub", &config, "--name", "again"];
    assert_eq!(
        printed(folder, &import),
        "runs/again  compacter, at step 0\nwith its task head, hence model.pooling = \"cls\"\n"
    );
    assert_eq!(
        measured(folder, "runs/again"),
        measured(folder, "runs/tiny")
    );

    // Nothing is written over.
    for arguments in [&export[..], &import[..]] {
        let refused = compacter(folder, arguments).expect_code(2);
        assert!(
            refused.stderr.contains("exist") || refused.stderr.contains("there is a run"),
            "{}",
            refused.stderr
        );
    }

    let own = fs::read_to_string(folder.join("runs/again/config.toml")).unwrap();
    let method = own
        .split("[method]")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let settings = "\nkind = \"compacter\"\nconvention = \"adapterhub\"\nreduction_factor = 4";
    assert_eq!(method, settings);
    let more = [
        "train",
        "runs/again/config.toml",
        "--resume",
        "--json",
        "--set",
        "train.max_steps=4",
    ];
    let told = compacter(folder, &more);
    assert_eq!(told.code(), 0, "{}", told.stderr);
    let steps = told
        .stdout
        .lines()
        .filter(|line| line.contains("\"kind\":\"step\""));
    assert_eq!(steps.count(), 4);
}

#[test]
fn layer_norms_travel_beside_an_adapter_when_they_are_asked_for() {
    let folder = trained(&[CLS]);
    let (folder, config) = (folder.path(), tiny("run.toml"));
    let export = ["export", "runs/tiny", "hub", "--to", "adapterhub"];
    let refused = compacter(folder, &export).expect_code(2);
    assert!(refused.stderr.contains("layer norms"), "{}", refused.stderr);
    assert!(!folder.join("hub").exists());
    let _wrote = printed(folder, &[&export[..], &["--layer-norms"]].concat());
    let _made = printed(folder, &["import", "hub", &config, "--name", "again"]);
    let (again, tiny) = (measured(folder, "again"), measured(folder, "tiny"));
    assert_eq!(again["accuracy"], tiny["accuracy"]);
    // The same tensors, added in the order of the library's convention.
    let loss = |metrics: &Value| metrics["loss"].as_f64().unwrap();
    assert!((loss(&again) - loss(&tiny)).abs() < 1e-6, "{again}, {tiny}");
}

#[test]
fn a_merged_model_is_a_pretrained_one_that_computes_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for backbone in ["t5_v1_0", "t5_v1_1", "roberta"] {
        let case = Case::read(backbone);
        let batch = case.batch(Kind::Classes);
        let hidden = |model: &Model| {
            let encoded = model.encode(&batch.source, &Pass::EVALUATION).unwrap();
            encoded.hidden
        };
        let mut model = case.plain(DType::F64, Kind::Classes);
        let plain = hidden(&model);
        let lora = method("kind = 'lora'\nrank = 2\nalpha = 6.0");
        let trainables = peft::install(&lora, &mut model, 1).unwrap();
        let values = trainables.values();
        values
            .set(&(values.ones_like().unwrap() * 0.1).unwrap())
            .unwrap();
        trainables.refresh().unwrap();
        let adapted = hidden(&model);

        let to = folder.path().join(backbone);
        let files = ModelFiles::Folder(case.folder().to_path_buf());
        interop::write_merged(&mut model, &files, &to).unwrap();
        assert_close(backbone, &hidden(&model), &adapted, 0.0);
        let placement = Placement {
            device: Device::Cpu,
            dtype: DType::F64,
            pooling: Pooling::Mean,
            frozen_dtype: None,
        };
        let merged = Model::load(&to, model.answer.clone(), placement).unwrap();
        assert_close(backbone, &hidden(&merged), &adapted, 1e-9);
        let moved = (hidden(&merged) - plain).unwrap();
        assert!(largest(&moved) > 0.01 * largest(&adapted), "{backbone}");
        assert_eq!(to.join("head.safetensors").exists(), backbone == "roberta");
        assert!(interop::write_merged(&mut model, &files, &to).is_err());
    }

    let adapters = trained(&[]);
    let arguments = ["export", "runs/tiny", "merged", "--to", "merged"];
    let refused = compacter(adapters.path(), &arguments).expect_code(2);
    assert!(
        refused.stderr.contains("cannot be merged"),
        "{}",
        refused.stderr
    );
    assert!(!adapters.path().join("merged").exists());
}

#[test]
fn an_import_that_does_not_fit_leaves_no_run() {
    let folder = trained(&[HUB, CLS]);
    let (folder, config) = (folder.path(), tiny("run.toml"));
    let _wrote = printed(
        folder,
        &["export", "runs/tiny", "hub", "--to", "adapterhub"],
    );
    let file = folder.join("hub/adapter_config.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"phm_dim\": 4", "\"phm_dim\": 2")).unwrap();
    let refused = compacter(folder, &["import", "hub", &config, "--name", "again"]).expect_code(2);
    assert!(
        refused.stderr.contains("does it belong to this model"),
        "{}",
        refused.stderr
    );
    assert!(!folder.join("runs/again").exists());
    fs::write(&file, text).unwrap();
    let refused = |more: &[&str], fragment: &str| {
        let arguments = [&["import", "hub", &config, "--name", "again"], more].concat();
        let refused = compacter(folder, &arguments).expect_code(2);
        assert!(refused.stderr.contains(fragment), "{}", refused.stderr);
        assert!(!folder.join("runs/again").exists());
    };
    // The same classes in another order would be taken for each other.
    let turned = ["--set", "task.labels=[\"positive\", \"negative\"]"];
    refused(&turned, "has the classes negative, positive, in this order");
    refused(
        &["--set", "method.kind=lora"],
        "the method is the adapter's own",
    );
    let headless = [&["import", "hub", &config, "--without-head"], &turned[..]].concat();
    let told = printed(folder, &[&headless[..], &["--name", "new-head"]].concat());
    assert!(
        told.contains("a new task head, which is not trained"),
        "{told}"
    );
    let idle = [
        "export",
        "runs/tiny",
        "other",
        "--to",
        "peft",
        "--layer-norms",
    ];
    let idle = compacter(folder, &idle).expect_code(2);
    assert!(
        idle.stderr.contains("--layer-norms says nothing"),
        "{}",
        idle.stderr
    );
    let refused = compacter(folder, &["import", "nowhere", &config]).expect_code(2);
    assert!(
        refused.stderr.contains("no such folder"),
        "{}",
        refused.stderr
    );
}
