#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use super::*;
use crate::data::{Example, Gold, Tokenizer};

mod layouts;
mod refusals;

/// A folder with files, and a tokenizer to read them with.
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
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self {
            folder,
            tokenizer: Tokenizer::load(&fixtures.join(name)).unwrap(),
            form,
        }
    }

    fn t5(files: &[(&str, &str)]) -> Self {
        Self::new(InputForm::EncoderDecoder, files)
    }

    fn load(&self, settings: &str) -> Result<TaskData> {
        let config = TaskConfig {
            source: Some(self.folder.path().to_str().unwrap().to_owned()),
            ..toml::from_str(settings).unwrap()
        };
        let loader = Loader {
            tokenizer: &self.tokenizer,
            form: self.form,
            cancelled: &|| false,
        };
        TaskData::load(&config, 7, &loader)
    }

    fn written(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode_target(text, 128).unwrap()
    }
}

/// What a backbone reads of the first training row in a folder.
fn input(
    form: InputForm,
    settings: &str,
    files: &[(&str, &str)],
) -> Result<(String, Option<String>)> {
    let scene = Scene::t5(files);
    let config: TaskConfig = toml::from_str(settings).unwrap();
    let entry = find(config.name.as_deref().unwrap())?;
    let folder = files::task_folder(entry, scene.folder.path())?;
    let table = rows::read(entry, &folder, Part::Train)?;
    let source = entry.source(&config, entry.effect(&config)?, form)?;
    let input = source.bind(&table)?.fill(0);
    Ok((input.text, input.pair))
}

fn t5(settings: &str, file: &str, content: &str) -> String {
    let input = input(InputForm::EncoderDecoder, settings, &[(file, content)]);
    let (text, pair) = input.unwrap();
    assert_eq!(pair, None);
    text
}

fn gold(examples: &[Example]) -> Vec<&Gold> {
    examples.iter().map(|example| &example.gold).collect()
}

/// A table of one column of numbers that tell rows apart, and a label.
fn numbered(rows: usize, columns: &str) -> String {
    let cells = columns.matches('\t').count();
    let row = |at: usize| format!("{at}{}\t{}\n", "\tx".repeat(cells), at % 2);
    format!("{columns}\tlabel\n") + &(0..rows).map(row).collect::<String>()
}

/// Name, columns and cells of a row, and what T5 reads of it (paper.md §3.5).
const READ: [(&str, &str, &str, &str); 15] = [
    ("glue/cola", "sentence", "S", "sentence: S"),
    ("glue/sst2", "sentence", "S", "sentence: S"),
    (
        "glue/mrpc",
        "sentence1\tsentence2",
        "A\tB",
        "sentence1: A sentence2: B",
    ),
    (
        "glue/qqp",
        "question1\tquestion2",
        "A\tB",
        "question1: A question2: B",
    ),
    (
        "glue/stsb",
        "sentence1\tsentence2",
        "A\tB",
        "sentence1: A sentence2: B",
    ),
    (
        "glue/mnli",
        "premise\thypothesis",
        "P\tH",
        "premise: P hypothesis: H",
    ),
    (
        "glue/qnli",
        "question\tsentence",
        "Q\tS",
        "question: Q sentence: S",
    ),
    (
        "glue/rte",
        "sentence1\tsentence2",
        "A\tB",
        "sentence1: A sentence2: B",
    ),
    (
        "glue/wnli",
        "sentence1\tsentence2",
        "A\tB",
        "sentence1: A sentence2: B",
    ),
    (
        "super_glue/boolq",
        "question\tpassage",
        "Q\tP",
        "question: Q passage: P",
    ),
    (
        "super_glue/rte",
        "premise\thypothesis",
        "P\tH",
        "premise: P hypothesis: H",
    ),
    (
        "super_glue/cb",
        "premise\thypothesis",
        "P\tH",
        "premise: P hypothesis: H",
    ),
    (
        "super_glue/multirc",
        "paragraph\tquestion\tanswer",
        "one<br>two <b>three</b>\tQ\tA",
        "question: Q answer: A paragraph: one two three",
    ),
    (
        "super_glue/wic",
        "word\tsentence1\tsentence2",
        "W\tA\tB",
        "sentence1: A sentence2: B word: W",
    ),
    (
        "super_glue/wsc.fixed",
        "text\tspan1_index\tspan1_text\tspan2_index\tspan2_text",
        "Mia, tired, said that she slept.\t0\tMia\t4\tshe",
        "text: * Mia *, tired, said that # she # slept.",
    ),
];

#[test]
fn t5_reads_what_the_paper_s_code_gives_it() {
    for (name, columns, cells, expected) in READ {
        let content = format!("{columns}\tlabel\n{cells}\t1\n");
        assert_eq!(
            t5(&format!("name = '{name}'"), "train.tsv", &content),
            expected
        );
    }
}

#[test]
fn the_task_s_name_stands_before_the_input_where_that_is_asked_for() {
    let read = |name: &str, columns: &str| {
        let cells = columns.to_uppercase();
        let content = format!("{columns}\tlabel\n{cells}\t1\n");
        t5(
            &format!("name = '{name}'\nprefix = true"),
            "train.tsv",
            &content,
        )
    };
    let mrpc = read("glue/mrpc", "sentence1\tsentence2");
    assert_eq!(mrpc, "mrpc sentence1: SENTENCE1 sentence2: SENTENCE2");
    let cb = read("super_glue/cb", "premise\thypothesis");
    assert_eq!(cb, "superglue-cb premise: PREMISE hypothesis: HYPOTHESIS");
}

#[test]
fn quirks_of_templates_are_off_unless_asked_for() {
    let mnli = "premise\thypothesis\tlabel\nP\tH\t0\n";
    let read = t5(
        "name = 'glue/mnli'\nquirks = ['mnli-no-colon']",
        "train.tsv",
        mnli,
    );
    assert_eq!(read, "premise: P hypothesis H");
    let copa = "premise\tchoice1\tchoice2\tquestion\tlabel\nP\tC\tD\tcause\t0\n";
    assert_eq!(
        t5("name = 'super_glue/copa'", "train.tsv", copa),
        "premise: P choice1: C choice2: D question: cause"
    );
    assert_eq!(
        t5(
            "name = 'super_glue/copa'\nquirks = ['copa-no-question']",
            "train.tsv",
            copa
        ),
        "premise: P choice1: C choice2: D"
    );
}

#[test]
fn encoders_read_a_text_or_a_pair() {
    for (name, columns, cells, one, two) in [
        ("glue/cola", "sentence", "S", "S", None),
        ("glue/mnli", "premise\thypothesis", "P\tH", "P", Some("H")),
        (
            "super_glue/wic",
            "word\tsentence1\tsentence2",
            "W\tA\tB",
            "W: A",
            Some("B"),
        ),
        (
            "super_glue/multirc",
            "paragraph\tquestion\tanswer",
            "P\tQ\tA",
            "Q A",
            Some("P"),
        ),
    ] {
        let content = format!("{columns}\tlabel\n{cells}\t1\n");
        let settings = format!("name = '{name}'");
        let files = [("train.tsv", &*content)];
        let (text, pair) = input(InputForm::Encoder, &settings, &files).unwrap();
        assert_eq!((&*text, pair.as_deref()), (one, two), "{name}");
    }
}

#[test]
fn t5_writes_the_number_of_a_class_and_people_read_its_name() {
    let train = "premise\thypothesis\tlabel\na\tb\tneutral\nc\td\t1\n";
    let scene = Scene::t5(&[("train.tsv", train), ("validation.tsv", train)]);
    let data = scene.load("name = 'super_glue/cb'").unwrap();
    assert_eq!(
        data.task.labels(),
        ["entailment", "contradiction", "neutral"]
    );
    assert_eq!(gold(&data.train), [&Gold::Class(2), &Gold::Class(1)]);
    assert_eq!(data.train[0].target, scene.written("2"));
    assert_eq!(data.task.verbalizers()[1], scene.written("1"));
    assert_eq!(data.task.main_metric(), "average");
}

#[test]
fn stsb_is_written_in_fifths_or_with_the_quirk_in_tenths() {
    let train = "sentence1\tsentence2\tlabel\na\tb\t2.7\nc\td\t3.25\n";
    let scene = Scene::t5(&[("train.tsv", train), ("validation.tsv", train)]);
    let data = scene.load("name = 'glue/stsb'").unwrap();
    assert_eq!(gold(&data.train), [&Gold::Value(2.7), &Gold::Value(3.25)]);
    // 2.7·5 = 13.5 goes to even, 14; 3.25·5 = 16.25 to 16.
    assert_eq!(data.train[0].target, scene.written("2.8"));
    assert_eq!(data.train[1].target, scene.written("3.2"));
    let data = scene
        .load("name = 'glue/stsb'\nquirks = ['stsb-tenths']")
        .unwrap();
    assert_eq!(data.train[0].target, scene.written("2.7"));
}

/// The numbers that `numbered` gave rows, found in the inputs.
fn numbers(scene: &Scene, examples: &[Example]) -> Vec<String> {
    let text = |example: &Example| scene.tokenizer.decode(&example.source.ids).unwrap();
    let texts = examples.iter().map(text);
    texts
        .map(|text| text.chars().filter(char::is_ascii_digit).collect())
        .collect()
}

#[test]
fn the_validation_rows_of_a_small_task_are_halved_as_in_the_paper() {
    let files = [
        (
            "RTE/train.jsonl",
            r#"{"premise": "a", "hypothesis": "b", "label": "entailment", "idx": 0}"#,
        ),
        ("RTE/val.tsv", &numbered(277, "premise\thypothesis")),
    ];
    let scene = Scene::t5(&files);
    let data = scene.load("name = 'super_glue/rte'").unwrap();
    let test = data.test.unwrap();
    assert_eq!(
        (data.train.len(), data.validation.len(), test.len()),
        (1, 138, 139)
    );
    // torch.randperm(277, seed 42), whose first rows are for validation.
    let first = [207, 84, 253, 243, 190, 28].map(|row: usize| Gold::Class(u32::from(row % 2 == 1)));
    let found: Vec<Gold> = data.validation[..6]
        .iter()
        .map(|e| e.gold.clone())
        .collect();
    assert_eq!(found, first);
    let other = scene
        .load("name = 'super_glue/rte'\ndata_seed = 1")
        .unwrap();
    assert_ne!(other.validation, data.validation);
    let official = scene
        .load("name = 'super_glue/rte'\nsplit = 'official'")
        .unwrap();
    assert_eq!((official.validation.len(), official.test), (277, None));
}

#[test]
fn a_large_task_lends_a_thousand_training_rows_to_validation() {
    let files = [
        ("sst2/train.tsv", &*numbered(1010, "sentence")),
        ("sst2/dev.tsv", &numbered(4, "sentence")),
    ];
    let scene = Scene::t5(&files);
    let sizes = |settings: &str| {
        let data = scene
            .load(&format!("name = 'glue/sst2'\n{settings}"))
            .unwrap();
        (
            data.train.len(),
            data.validation.len(),
            data.test.map(|test| test.len()),
        )
    };
    assert_eq!(sizes(""), (10, 1000, Some(4)));
    assert_eq!(sizes("max_train_samples = 3"), (3, 1000, Some(4)));
    assert_eq!(sizes("split = 'official'"), (1010, 4, None));
    assert_eq!(
        sizes("split = 'official'\nmax_train_samples = 5"),
        (5, 4, None)
    );
}

#[test]
fn mnli_validates_on_other_genres_and_is_tested_on_the_same() {
    let header = "premise\thypothesis\tlabel\n";
    let files = [
        ("train.tsv", &*format!("{header}a\tb\t0\n")),
        ("dev_matched.tsv", &format!("{header}a\tb\t1\n")),
        ("dev_mismatched.tsv", &format!("{header}a\tb\t2\n")),
    ];
    let scene = Scene::t5(&files);
    let data = scene.load("name = 'glue/mnli'").unwrap();
    assert_eq!(gold(&data.validation), [&Gold::Class(2)]);
    assert_eq!(gold(&data.test.unwrap()), [&Gold::Class(1)]);
    let data = scene
        .load("name = 'glue/mnli'\nsplit = 'official'")
        .unwrap();
    assert_eq!(
        (gold(&data.validation), data.test),
        (vec![&Gold::Class(1)], None)
    );
}

#[test]
fn questions_of_multirc_stay_whole_unless_the_quirk_parts_them() {
    let answers = |question: usize| format!("P\tq{question}\tyes\t1\nP\tq{question}\tno\t0\n");
    let content = "paragraph\tquestion\tanswer\tlabel\n".to_owned()
        + &(0..9).map(answers).collect::<String>();
    let scene = Scene::t5(&[("train.tsv", &content), ("val.tsv", &content)]);
    let groups = |examples: &[Example]| {
        let mut groups: Vec<u32> = examples.iter().map(|e| e.group.unwrap()).collect();
        groups.sort_unstable();
        groups
    };
    let data = scene.load("name = 'super_glue/multirc'").unwrap();
    assert_eq!(groups(&data.validation), [0, 0, 1, 1, 2, 2, 3, 3]);
    assert_eq!(data.test.as_ref().unwrap().len(), 10);
    let quirk = "name = 'super_glue/multirc'\nquirks = ['multirc-parted-questions']";
    let data = scene.load(quirk).unwrap();
    assert_eq!((data.validation.len(), data.test.unwrap().len()), (9, 9));
}

#[test]
fn record_trains_on_each_right_answer_and_accepts_any() {
    let row = |query: usize| {
        let query = format!("@placeholder {query}");
        let row = serde_json::json!({
            "passage": "It rained.\n@highlight\nA dry day\n@highlight\nEnd", "query": query,
            "entities": ["Mia", "Leo"], "answers": ["Leo", "Mia"],
            "idx": {"passage": 0, "query": 1},
        });
        format!("{row}\n")
    };
    let train: String = (0..1001).map(row).collect();
    let files = [("train.jsonl", &*train), ("val.jsonl", &row(0))];
    let scene = Scene::t5(&files);
    let read = t5("name = 'super_glue/record'", "train.jsonl", &row(0));
    assert_eq!(
        read,
        "record query: @placeholder 0 entities: Mia, Leo passage: It rained. A dry day. End"
    );
    let data = scene.load("name = 'super_glue/record'").unwrap();
    let any = Gold::AnyOf(vec!["Leo".to_owned(), "Mia".to_owned()]);
    assert_eq!(gold(&data.train), [&any, &any]);
    assert_eq!(data.train[0].target, scene.written("Leo"));
    assert_eq!(data.train[1].target, scene.written("Mia"));
    assert_eq!((data.validation.len(), data.test.unwrap().len()), (1000, 1));
    let quirk = "name = 'super_glue/record'\nquirks = ['record-repeated-queries']";
    let data = scene.load(quirk).unwrap();
    assert_eq!((data.validation.len(), data.test.unwrap().len()), (2000, 2));
}

#[test]
fn rows_to_predict_may_have_the_official_names_and_no_answers() {
    let train = "premise\thypothesis\tlabel\na\tb\t0\nc\td\t1\n";
    let scene = Scene::t5(&[("train.tsv", train), ("validation.tsv", train)]);
    let task = scene.load("name = 'super_glue/cb'").unwrap().task;
    let table = Table::from_jsonl("rows", br#"{"sentence1": "a", "sentence2": "b"}"#).unwrap();
    let loader = Loader {
        tokenizer: &scene.tokenizer,
        form: scene.form,
        cancelled: &|| false,
    };
    let rows = task.read(&table, AnswerColumn::Optional, &loader).unwrap();
    let expected = scene
        .tokenizer
        .encode("premise: a hypothesis: b", None, 128);
    assert_eq!(rows[0].source, expected.unwrap());
    assert_eq!(rows[0].gold, Gold::Unknown);
}

#[test]
fn every_entry_is_whole() {
    let mut names = names();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), entries::ALL.len());
    for entry in &entries::ALL {
        let columns = columns(entry.name).unwrap();
        assert!(
            !columns.is_empty() && !entry.folder.is_empty(),
            "{}",
            entry.name
        );
        let labels = entry.kind == TaskKind::Classification;
        assert_eq!(labels, entry.labels.len() >= 2, "{}", entry.name);
    }
    let quirks = entries::ALL.iter().filter_map(|entry| entry.quirk);
    assert_eq!(quirks.count(), Quirk::ALL.len());
}
