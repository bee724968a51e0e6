#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use super::*;
use crate::data::{Example, Gold, Tokenizer};

mod layouts;
mod refusals;
mod splits;

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
    let table = train(entry, scene.folder.path())?;
    let source = entry.source(&config, entry.effect(&config)?, form)?;
    let input = source.bind(&table)?.fill(0);
    Ok((input.text, input.pair))
}

/// The training rows of a folder.
fn train(entry: &Benchmark, folder: &Path) -> Result<Table> {
    let parts = [Part::Train];
    let found = files::find(
        entry,
        folder,
        &files::listing(entry, folder, &parts)?,
        &parts,
    )?;
    let paths: Vec<PathBuf> = found[0].iter().map(|file| folder.join(file)).collect();
    rows::read(entry, &paths)
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

/// Name, columns and cells of a row, and what T5 reads of it in the paper's code.
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
