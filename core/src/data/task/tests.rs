#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use super::*;
use crate::Error;

mod refusals;

/// Files of a task, and the tokenizer to read them with.
struct Scene {
    folder: tempfile::TempDir,
    tokenizer: Tokenizer,
    form: InputForm,
}

impl Scene {
    fn new(form: InputForm, files: &[(&str, &str)]) -> Self {
        let name = match form {
            InputForm::Encoder => "bert-uncased",
            InputForm::EncoderDecoder => "t5-tiny",
        };
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tokenizers");
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self {
            folder,
            tokenizer: Tokenizer::load(&fixtures.join(name)).unwrap(),
            form,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn loader(&self) -> Loader<'_> {
        Loader {
            tokenizer: &self.tokenizer,
            form: self.form,
            cancelled: &|| false,
        }
    }

    /// Loads the task that these lines describe; files are named without their folder.
    fn load(&self, settings: &str) -> Result<TaskData> {
        let mut config: TaskConfig = toml::from_str(settings).unwrap();
        let files = [&mut config.train, &mut config.validation, &mut config.test];
        for path in files.into_iter().flatten() {
            *path = self.folder.path().join(&*path);
        }
        TaskData::load(&config, 42, &self.loader())
    }

    fn ids(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode(text, None, 128).unwrap().ids
    }
}

const REVIEWS: &str = "sentence\tlabel\nthe baker sells bread\t1\nthe winter\t0\na letter\t1\n";
const CLASSIFY: &str = "kind = 'classification'\ntrain = 'a.tsv'\nvalidation = 'a.tsv'\n\
                        text = ['sentence']\nlabel = 'label'\n";

/// A file with these answers, one a row.
fn answers(cells: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    let rows = cells.into_iter().map(|cell| format!("x\t{cell}"));
    let lines: Vec<String> = std::iter::once("sentence\tlabel".to_owned())
        .chain(rows)
        .collect();
    lines.join("\n")
}

fn classes(examples: &[Example]) -> Vec<u32> {
    let class = |example: &Example| match example.gold {
        Gold::Class(class) => class,
        _ => panic!("{:?}", example.gold),
    };
    examples.iter().map(class).collect()
}

#[test]
fn an_encoder_reads_the_text_and_chooses_a_class() {
    let scene = Scene::new(InputForm::Encoder, &[("a.tsv", REVIEWS)]);
    let data = scene.load(CLASSIFY).unwrap();
    assert_eq!(data.task.labels(), ["0", "1"]);
    assert_eq!(classes(&data.train), [1, 0, 1]);
    assert_eq!(data.train, data.validation);
    assert_eq!(data.train[0].source.ids, scene.ids("the baker sells bread"));
    assert!(data.train[0].target.is_empty() && data.task.verbalizers().is_empty());
    assert_eq!(data.test, None);
}

#[test]
fn t5_reads_labelled_columns_and_writes_the_label() {
    let scene = Scene::new(InputForm::EncoderDecoder, &[("a.tsv", REVIEWS)]);
    let data = scene.load(CLASSIFY).unwrap();
    assert_eq!(data.train[1].source.ids, scene.ids("sentence: the winter"));
    assert_eq!(data.task.verbalizers(), [scene.ids("0"), scene.ids("1")]);
    assert_eq!(data.train[1].target, scene.ids("0"));
    assert_eq!(data.train[1].target.last(), Some(&1));
}

#[test]
fn pairs_stay_apart_for_encoders_and_are_joined_for_t5() {
    let text = "premise\thypothesis\tlabel\nthe sun\tthe winter\t0\nbread\twinter\t1\n";
    let settings = CLASSIFY.replace("['sentence']", "['premise', 'hypothesis']");
    let scene = Scene::new(InputForm::Encoder, &[("a.tsv", text)]);
    let pair = scene.tokenizer.encode("the sun", Some("the winter"), 128);
    let source = &scene.load(&settings).unwrap().train[0].source;
    assert_eq!(*source, pair.unwrap());
    assert!(source.types.contains(&1));

    let scene = Scene::new(InputForm::EncoderDecoder, &[("a.tsv", text)]);
    let joined = scene.ids("premise: the sun hypothesis: the winter");
    assert_eq!(scene.load(&settings).unwrap().train[0].source.ids, joined);
}

#[test]
fn a_template_replaces_the_default_for_both_forms() {
    let settings = format!("{CLASSIFY}template = 'review {{sentence}} good?'\n");
    for form in [InputForm::Encoder, InputForm::EncoderDecoder] {
        let scene = Scene::new(form, &[("a.tsv", REVIEWS)]);
        let data = scene.load(&settings).unwrap();
        assert_eq!(
            data.train[1].source.ids,
            scene.ids("review the winter good?")
        );
    }
}

#[test]
fn labels_are_sorted_as_numbers_or_as_text() {
    let of = |cells: &[&str]| {
        let files = [("a.tsv", &*answers(cells))];
        let scene = Scene::new(InputForm::Encoder, &files);
        scene.load(CLASSIFY).unwrap().task.labels().join(" ")
    };
    assert_eq!(of(&["10", "9", "-1", "9"]), "-1 9 10");
    assert_eq!(of(&["yes", "no", "maybe"]), "maybe no yes");
    assert_eq!(of(&["10", "9", "x"]), "10 9 x");
}

#[test]
fn with_labels_given_cells_hold_their_names_or_their_numbers() {
    let text = "sentence\tlabel\na\tgood\nb\t0\nc\tbad\nd\t1\n";
    let scene = Scene::new(InputForm::EncoderDecoder, &[("a.tsv", text)]);
    let settings = format!("{CLASSIFY}labels = ['bad', 'good']\n");
    let data = scene.load(&settings).unwrap();
    assert_eq!(classes(&data.train), [1, 0, 0, 1]);
    assert_eq!(data.train[1].target, scene.ids("bad"));
}

#[test]
fn a_label_that_is_a_number_goes_by_its_name() {
    let text = "sentence\tlabel\na\t1\nb\t0\n";
    let scene = Scene::new(InputForm::Encoder, &[("a.tsv", text)]);
    let data = scene
        .load(&format!("{CLASSIFY}labels = ['1', '0']\n"))
        .unwrap();
    assert_eq!(classes(&data.train), [0, 1]);
}

#[test]
fn regression_targets_are_written_with_one_decimal_as_python_rounds() {
    let text = include_str!("../../../../tests/fixtures/data/decimals.json");
    let cases: Vec<(f64, String)> = serde_json::from_str(text).unwrap();
    let files = [("a.tsv", &*answers(cases.iter().map(|(value, _)| value)))];
    let scene = Scene::new(InputForm::EncoderDecoder, &files);
    let data = scene
        .load(&CLASSIFY.replace("classification", "regression"))
        .unwrap();
    assert_eq!(data.task.main_metric(), "pearson");
    for (example, (value, written)) in data.train.iter().zip(&cases) {
        assert_eq!(example.gold, Gold::Value(*value));
        assert_eq!(example.target, scene.ids(written), "{value}");
    }
}

#[test]
fn text_to_text_learns_to_write_the_column_cut_to_its_length() {
    let text = "sentence\tlabel\nthe winter\tthe baker sells bread\n";
    let scene = Scene::new(InputForm::EncoderDecoder, &[("a.tsv", text)]);
    let settings = CLASSIFY.replace("classification", "text-to-text");
    let data = scene.load(&settings).unwrap();
    assert_eq!(
        data.train[0].gold,
        Gold::Text("the baker sells bread".to_owned())
    );
    assert_eq!(data.train[0].target, scene.ids("the baker sells bread"));
    let cut = scene
        .load(&format!("{settings}max_target_length = 3\n"))
        .unwrap();
    assert_eq!(cut.train[0].target[..2], data.train[0].target[..2]);
    assert_eq!(cut.train[0].target[2..], [1]);
}

#[test]
fn inputs_are_cut_to_the_length_asked_for() {
    let scene = Scene::new(InputForm::Encoder, &[("a.tsv", REVIEWS)]);
    let data = scene.load(&format!("{CLASSIFY}max_length = 4\n")).unwrap();
    assert_eq!(data.train[0].source.ids.len(), 4);
}

#[test]
fn without_a_validation_file_a_seeded_tenth_is_held_out() {
    let scene = Scene::new(
        InputForm::Encoder,
        &[("a.tsv", &answers((0..10).map(|row| row % 2)))],
    );
    let settings = CLASSIFY.replace("validation = 'a.tsv'\n", "");
    let data = scene.load(&settings).unwrap();
    // The permutation of ten rows for seed 42 starts 2, 6, 1, 8, 4, 5, 0, 9, 3, 7.
    assert_eq!(classes(&data.validation), [0]);
    assert_eq!(classes(&data.train), [0, 1, 0, 0, 1, 0, 1, 1, 1]);
    let data = scene
        .load(&format!("{settings}validation_fraction = 0.3\n"))
        .unwrap();
    assert_eq!(classes(&data.validation), [0, 0, 1]);
    let data = scene
        .load(&format!("{CLASSIFY}max_train_samples = 3\n"))
        .unwrap();
    assert_eq!(classes(&data.train), [0, 0, 1]);
    assert_eq!(data.validation.len(), 10);
}

#[test]
fn rows_to_predict_need_no_answers() {
    let files = [("a.tsv", REVIEWS), ("b.tsv", "sentence\nthe winter\n")];
    let scene = Scene::new(InputForm::EncoderDecoder, &files);
    let task = scene.load(CLASSIFY).unwrap().task;
    let read = |name, answers| {
        let table = Table::read(&scene.path(name))?;
        task.read(&table, answers, &scene.loader())
    };
    let rows = read("b.tsv", AnswerColumn::Optional).unwrap();
    assert_eq!((&rows[0].gold, rows[0].target.len()), (&Gold::Unknown, 0));
    assert_eq!(rows[0].source.ids, scene.ids("sentence: the winter"));
    let rows = read("a.tsv", AnswerColumn::Optional).unwrap();
    assert_eq!(classes(&rows), [1, 0, 1]);
    let message = read("b.tsv", AnswerColumn::Needed).unwrap_err().to_string();
    assert!(message.contains("b.tsv: no column `label`"), "{message}");
}

#[test]
fn cancelling_stops_the_loading() {
    let scene = Scene::new(InputForm::Encoder, &[("a.tsv", REVIEWS)]);
    let config = TaskConfig {
        train: Some(scene.path("a.tsv")),
        ..toml::from_str(CLASSIFY).unwrap()
    };
    let config = TaskConfig {
        validation: config.train.clone(),
        ..config
    };
    let loader = Loader {
        cancelled: &|| true,
        ..scene.loader()
    };
    let result = TaskData::load(&config, 1, &loader);
    assert!(matches!(result, Err(Error::Cancelled)));
}
