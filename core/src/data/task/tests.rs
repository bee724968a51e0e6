#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use super::*;
use crate::Error;

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
        for path in [&mut config.train, &mut config.validation, &mut config.test] {
            if let Some(path) = path {
                *path = self.folder.path().join(&*path);
            }
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
        let text: String = cells.iter().map(|cell| format!("x\t{cell}\n")).collect();
        let files = [("a.tsv", &*format!("sentence\tlabel\n{text}"))];
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
    let rows: String = cases
        .iter()
        .map(|(value, _)| format!("x\t{value}\n"))
        .collect();
    let files = [("a.tsv", &*format!("sentence\tlabel\n{rows}"))];
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

fn numbered(rows: usize) -> String {
    let rows: String = (0..rows).map(|row| format!("x\t{}\n", row % 2)).collect();
    format!("sentence\tlabel\n{rows}")
}

#[test]
fn without_a_validation_file_a_seeded_tenth_is_held_out() {
    let scene = Scene::new(InputForm::Encoder, &[("a.tsv", &numbered(10))]);
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
    let read = |name, answers| task.read(&scene.path(name), answers, &scene.loader());
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

/// What is changed in a task that works, and what its refusal says.
type Broken<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);

fn assert_refused(form: InputForm, cases: &[Broken<'_>]) {
    for (changes, file, expected) in cases {
        let mut settings = CLASSIFY.to_owned();
        for (from, to) in *changes {
            assert!(settings.contains(from), "{from}");
            settings = settings.replace(from, to);
        }
        let file = if file.is_empty() { REVIEWS } else { file };
        let files = [("a.tsv", file), ("one.tsv", "sentence\tlabel\nx\t1\n")];
        match Scene::new(form, &files).load(&settings) {
            Ok(_) => panic!("{settings} was taken"),
            Err(error) => {
                let message = error.to_string();
                assert!(message.contains(expected), "{expected}: {message}");
            }
        }
    }
}

#[test]
fn settings_that_are_missing_or_at_odds_are_refused() {
    let label = "label = 'label'";
    assert_refused(
        InputForm::Encoder,
        &[
            (
                &[(label, "name = 'glue/sst2'")],
                "",
                "task.name: no task is named `glue/sst2`",
            ),
            (
                &[(label, "name = 'lesson:x'")],
                "",
                "knows none by name: describe files",
            ),
            (
                &[("kind = 'classification'", "")],
                "",
                "task.kind: is needed",
            ),
            (&[("train = 'a.tsv'", "")], "", "task.train: is needed"),
            (&[(label, "")], "", "task.label: is needed"),
            (&[("text = ['sentence']", "")], "", "task.text: is needed"),
            (
                &[("['sentence']", "['a', 'b', 'c']")],
                "",
                "join them with task.template",
            ),
            (
                &[("'sentence'", "'sentense'")],
                "",
                "did you mean `sentence`?",
            ),
            (
                &[("'label'", "'lable'")],
                "",
                "a.tsv: no column `lable`, which task.label names",
            ),
            (
                &[("'classification'", "'text-to-text'")],
                "",
                "needs an encoder-decoder",
            ),
            (
                &[
                    ("classification", "regression"),
                    (label, "label = 'label'\nlabels = ['a']"),
                ],
                "",
                "task.labels: applies to classification only",
            ),
            (
                &[(label, "label = 'label'\nlabels = ['a']")],
                "",
                "at least two labels",
            ),
            (
                &[(label, "label = 'label'\nlabels = ['a', 'a']")],
                "",
                "names `a` twice",
            ),
            (
                &[(label, "label = 'label'\nmax_target_length = 3")],
                "",
                "text-to-text tasks only",
            ),
            (
                &[(label, "label = 'label'\nmax_length = 2")],
                "",
                "leaves no room for text",
            ),
            (
                &[(label, "label = 'label'\nmax_train_samples = 0")],
                "",
                "must be at least 1",
            ),
            (
                &[(label, "label = 'label'\nvalidation_fraction = 0.5")],
                "",
                "has no effect",
            ),
            (
                &[("validation = 'a.tsv'", "validation_fraction = 1.5")],
                "",
                "task.validation_fraction: must lie between 0 and 1, found 1.5",
            ),
            (
                &[(label, "label = 'label'\ntemplate = '{lable}'")],
                "",
                "task.text: names `sentence`",
            ),
            (
                &[(label, "label = 'label'\ntemplate = '{sentence'")],
                "",
                "lacks its `}`",
            ),
            (
                &[
                    ("validation = 'a.tsv'", ""),
                    ("train = 'a.tsv'", "train = 'one.tsv'"),
                ],
                "",
                "cannot be held out",
            ),
            (
                &[("validation = 'a.tsv'", "validation = 'b.tsv'")],
                "",
                "b.tsv: cannot read",
            ),
        ],
    );
}

#[test]
fn answers_that_do_not_fit_are_refused_with_their_line() {
    let number = &[("classification", "regression")][..];
    let named = &[(
        "label = 'label'",
        "label = 'label'\nlabels = ['bad', 'good']",
    )][..];
    assert_refused(
        InputForm::Encoder,
        &[
            (
                &[],
                "sentence\tlabel\nx\t1\ny\t1\n",
                "column `label` holds `1` only",
            ),
            (
                named,
                "sentence\tlabel\nx\tgood\ny\tgoood\n",
                "a.tsv:3: unknown label `goood`",
            ),
            (
                named,
                "sentence\tlabel\nx\tgood\ny\tgoood\n",
                "(did you mean `good`?)",
            ),
            (
                named,
                "sentence\tlabel\nx\t2\n",
                "a.tsv:2: unknown label `2`; known are `bad`",
            ),
            (named, "sentence\tlabel\nx\t-1\n", "unknown label `-1`"),
            (named, "sentence\tlabel\nx\t\n", "unknown label ``"),
            (
                number,
                "sentence\tlabel\nx\t1.5\ny\thigh\n",
                "a.tsv:3: `label` must be a finite",
            ),
            (
                number,
                "sentence\tlabel\nx\tNaN\n",
                "a.tsv:2: `label` must be a finite number",
            ),
            (number, "sentence\tlabel\nx\tinf\n", "found `inf`"),
            (number, "sentence\tlabel\nx\t\n", "found ``"),
        ],
    );
}

#[test]
fn labels_that_the_tokenizer_cannot_tell_apart_are_refused() {
    let same = "sentence\tlabel\nx\t中\ny\t字\n";
    let expected = "task.labels: `中` and `字` are the same to the model's tokenizer";
    assert_refused(InputForm::EncoderDecoder, &[(&[], same, expected)]);
}

#[test]
fn an_unknown_label_in_the_validation_file_names_that_file() {
    let files = [("a.tsv", REVIEWS), ("b.tsv", "sentence\tlabel\nx\t2\n")];
    let scene = Scene::new(InputForm::Encoder, &files);
    let settings = CLASSIFY.replace("validation = 'a.tsv'", "validation = 'b.tsv'");
    let message = scene.load(&settings).unwrap_err().to_string();
    assert!(
        message.ends_with("b.tsv:2: unknown label `2`; known are `0`, `1`"),
        "{message}"
    );
}
