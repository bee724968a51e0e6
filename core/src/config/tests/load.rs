//! Files, paths and `--set` values.

use std::fs;
use std::path::{Path, PathBuf};

use super::{SMALLEST, parse, refusal};
use crate::config::{EvalEvery, MethodConfig, MethodKind, RunConfig, TaskKind, Warmup};

#[test]
fn the_smallest_configuration_is_all_defaults() {
    let config = parse(SMALLEST, &[]).unwrap();
    assert_eq!(config.method.kind, MethodKind::Compacter);
    assert_eq!(config.train, crate::config::TrainConfig::default());
    assert_eq!(config.model.device, "auto");
    assert_eq!(config.learning_rate().to_bits(), 3e-3_f64.to_bits());
}

#[test]
fn a_set_value_is_toml_or_else_text() {
    let config = parse(
        SMALLEST,
        &[
            "train.learning_rate=1e-3",
            "train.epochs = 3",
            "train.warmup=25.5%",
            "eval.every=40",
            "method={kind=\"lora\", rank=2}",
            "method.targets=[\"q\", \"o\"]",
            "model.device=cuda:1",
            "name=2024",
            "train.seed=1",
            "train.seed=0x2a",
        ],
    )
    .unwrap();
    assert_eq!(config.train.learning_rate, Some(1e-3));
    assert_eq!(config.train.epochs.to_bits(), 3.0_f64.to_bits());
    assert_eq!(config.train.warmup, Warmup::Percent(25.5));
    assert_eq!(config.eval.every, EvalEvery::Steps(40));
    assert_eq!(config.method.kind, MethodKind::Lora);
    assert_eq!(config.method.rank, Some(2));
    assert_eq!(
        config.method.targets,
        Some(vec!["q".to_owned(), "o".to_owned()])
    );
    assert_eq!(config.model.device, "cuda:1");
    assert_eq!(config.name, "2024", "a name may look like a number");
    assert_eq!(config.train.seed, 42, "the last value counts");
}

#[test]
fn paths_of_the_file_are_relative_to_it_and_paths_of_a_set_to_the_working_directory() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("here")).unwrap();
    let text = "name = \"a\"\nmodel.path = \"../m\"\n[task]\nkind = \"text-to-text\"\n\
                train = \"data/t.tsv\"\nvalidation = \"/v.tsv\"\ntext = [\"s\"]\nlabel = \"l\"\n";
    let read = |sets: &[&str]| {
        let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
        RunConfig::parse(&folder.path().join("run.toml"), text, &sets).unwrap()
    };
    let config = read(&[]);
    assert_eq!(config.task.kind, Some(TaskKind::TextToText));
    assert_eq!(config.task.train, Some(folder.path().join("data/t.tsv")));
    assert_eq!(config.task.validation, Some(PathBuf::from("/v.tsv")));
    assert_eq!(Path::new(&config.model.path), folder.path().join("../m"));
    assert_eq!(config.output.directory, Path::new("runs"));

    let config = read(&["task.train=x.csv", "model.path=org/name@main"]);
    assert_eq!(
        config.task.train,
        Some(std::path::absolute("x.csv").unwrap())
    );
    assert_eq!(config.model.path, "org/name@main");

    let here = text.replace("../m", "here");
    let config = RunConfig::parse(&folder.path().join("run.toml"), &here, &[]).unwrap();
    assert_eq!(Path::new(&config.model.path), folder.path().join("here"));
}

#[test]
fn a_file_that_is_no_configuration_gets_one_clear_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.toml");
    let (found, ..) = refusal(RunConfig::load(&path, &[]));
    assert!(found.contains("run.toml: no such file"), "{found}");
    let (found, ..) = refusal(RunConfig::load(folder.path(), &[]));
    assert!(found.contains("is a folder"), "{found}");
    fs::write(&path, b"name = \"a\"\n# caf\xe9\n").unwrap();
    let (found, _, place) = refusal(RunConfig::load(&path, &[]));
    assert!(found.contains("not UTF-8"), "{found}");
    assert_eq!(place, Some((2, 6)));
    fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    let (found, ..) = refusal(RunConfig::load(&path, &[]));
    assert!(found.contains("longer than 1048576 bytes"), "{found}");
}

#[test]
fn a_file_with_a_byte_order_mark_and_windows_line_ends_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.toml");
    fs::write(&path, format!("\u{feff}{}", SMALLEST.replace('\n', "\r\n"))).unwrap();
    assert_eq!(RunConfig::load(&path, &[]).unwrap().name, "a");
}

#[test]
fn validate_refuses_what_a_program_put_together_wrongly() {
    let mut config = parse(SMALLEST, &[]).unwrap();
    config.train.batch_size = 0;
    let text = config.validate().unwrap_err().to_string();
    assert_eq!(
        text,
        "configuration: train.batch_size: must be at least 1, found 0"
    );
    config.train.batch_size = 1;
    config.train.seed = u64::MAX;
    let text = config.validate().unwrap_err().to_string();
    assert!(text.contains("cannot be written as TOML"), "{text}");
}

#[test]
fn a_method_alone_is_a_kind_and_settings() {
    let of = |kind, settings: &[&str]| {
        let settings: Vec<String> = settings.iter().map(|&text| text.to_owned()).collect();
        MethodConfig::of_kind(Path::new("a cell"), kind, &settings)
    };
    let method = of("compacter++", &["n=12"]).unwrap();
    assert_eq!(
        (method.kind, method.n),
        (MethodKind::CompacterPlusPlus, Some(12))
    );
    let text = of("compactor", &[]).unwrap_err().to_string();
    assert!(
        text.starts_with("a cell: ") && text.contains("compacter"),
        "{text}"
    );
    assert!(of("compacter", &["m=12"]).is_err());
}
