//! The forms in which the tasks are published.

use super::*;

/// Task, file, content, and what T5 reads of the first row.
type Published<'a> = (&'a str, &'a str, &'a str, &'a str);

fn assert_read(cases: &[Published<'_>]) {
    for (name, file, content, expected) in cases {
        let read = t5(&format!("name = '{name}'"), file, content);
        assert_eq!(read, *expected, "{name}");
    }
}

#[test]
fn official_tsv_files_of_glue_are_read() {
    assert_read(&[
        (
            "glue/cola",
            "CoLA/train.tsv",
            "gj04\t0\t*\tOne two.\ngj04\t1\t\tThree.\n",
            "sentence: One two.",
        ),
        (
            "glue/mrpc",
            "MRPC/train.tsv",
            "\u{feff}Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tA \"quote\t.\n",
            "sentence1: A \"quote sentence2: .",
        ),
        (
            "glue/qqp",
            "QQP/train.tsv",
            "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\tbroken\n1\t3\t4\tA?\tB?\t0\n",
            "question1: A? question2: B?",
        ),
        (
            "glue/stsb",
            "STS-B/train.tsv",
            "index\tgenre\tsentence1\tsentence2\tscore\n0\tg\tA\tB\t5.000\n",
            "sentence1: A sentence2: B",
        ),
        (
            "glue/mnli",
            "MNLI/train.tsv",
            "index\tgenre\tsentence1\tsentence2\tlabel1\tgold_label\n0\tg\tA\tB\tneutral\tneutral\n",
            "premise: A hypothesis: B",
        ),
        (
            "glue/qnli",
            "QNLI/train.tsv",
            "index\tquestion\tsentence\tlabel\n0\tQ\tS\tnot_entailment\n",
            "question: Q sentence: S",
        ),
    ]);
}

#[test]
fn official_jsonl_files_of_super_glue_are_read() {
    let wsc = r#"{"text": "The cup fell when Ann hit it.", "target": {"span2_index": 6, "span1_index": 0, "span1_text": "the cup", "span2_text": "it"}, "idx": 0, "label": true}"#;
    let multirc = r#"{"idx": 0, "version": 1.1, "passage": {"text": "One.<br>Two.", "questions": [{"question": "Q", "idx": 3, "answers": [{"text": "A", "idx": 0, "label": 1}, {"text": "B", "idx": 1, "label": 0}]}]}}"#;
    let record = r#"{"source": "s", "idx": 0, "passage": {"text": "Zoë met Ann.\n@highlight\nEnd", "entities": [{"start": 8, "end": 10}, {"start": 0, "end": 2}, {"start": 8, "end": 10}]}, "qas": [{"query": "@placeholder left", "idx": 0, "answers": [{"start": 8, "end": 10, "text": "Ann"}]}]}"#;
    assert_read(&[
        (
            "super_glue/boolq",
            "BoolQ/train.jsonl",
            r#"{"question": "Q", "passage": "P", "idx": 0, "label": true}"#,
            "question: Q passage: P",
        ),
        (
            "super_glue/wic",
            "WiC/train.jsonl",
            r#"{"word": "W", "sentence1": "A", "sentence2": "B", "idx": 0, "label": false, "start1": 0, "end1": 1, "start2": 0, "end2": 1, "version": 1.1}"#,
            "sentence1: A sentence2: B word: W",
        ),
        (
            "super_glue/wsc.fixed",
            "WSC/train.jsonl",
            wsc,
            "text: * The cup * fell when Ann hit # it #.",
        ),
        (
            "super_glue/multirc",
            "MultiRC/train.jsonl",
            multirc,
            "question: Q answer: A paragraph: One. Two.",
        ),
        (
            "super_glue/record",
            "ReCoRD/train.jsonl",
            record,
            "record query: @placeholder left entities: Ann, Zoë passage: Zoë met Ann. End",
        ),
    ]);
}

#[test]
fn labels_may_be_numbers_words_or_truth_values() {
    let train = "question\tpassage\tlabel\na\tb\ttrue\nc\td\tfalse\ne\tf\t1\n";
    let scene = Scene::t5(&[("train.tsv", train), ("val.tsv", train)]);
    let data = scene.load("name = 'super_glue/boolq'").unwrap();
    let expected = [1, 0, 1].map(Gold::Class);
    assert_eq!(gold(&data.train), expected.iter().collect::<Vec<_>>());
}

#[test]
fn answers_of_multirc_belong_to_their_question_in_every_form() {
    let official = r#"{"idx": 0, "passage": {"text": "P", "questions": [{"question": "Q", "idx": 0, "answers": [{"text": "A", "label": 1}, {"text": "B", "label": 0}]}, {"question": "Q", "idx": 1, "answers": [{"text": "C", "label": 0}]}]}}"#;
    let hub = [(0, "A"), (0, "B"), (1, "C")].map(|(question, answer)| {
        let idx = serde_json::json!({"paragraph": 0, "question": question, "answer": 0});
        let row = serde_json::json!({"paragraph": "P", "question": "Q", "answer": answer,
                                     "idx": idx, "label": 0});
        format!("{row}\n")
    });
    for file in [official.to_owned(), hub.concat()] {
        let scene = Scene::t5(&[("train.jsonl", &file), ("val.jsonl", &file)]);
        let data = scene
            .load("name = 'super_glue/multirc'\nsplit = 'official'")
            .unwrap();
        let groups: Vec<_> = data.train.iter().map(|e| e.group.unwrap()).collect();
        assert_eq!(groups, [0, 0, 1]);
    }
}

#[cfg(feature = "parquet")]
#[test]
fn nested_parquet_files_of_the_hub_are_read() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/data");
    for (name, expected, rows) in [
        (
            "multirc",
            "question: Who sells bread? answer: the baker paragraph: It is early. The baker sells bread.",
            3,
        ),
        (
            "record",
            "record query: @placeholder sells bread. entities: Ann, the baker passage: It is early. Ann waits",
            2,
        ),
    ] {
        let scene = Scene::t5(&[]);
        let folder = scene.folder.path().join(name);
        for part in ["train", "validation"] {
            fs::create_dir_all(folder.join(part)).unwrap();
            fs::copy(
                fixtures.join(format!("{name}.parquet")),
                folder.join(part).join("0000.parquet"),
            )
            .unwrap();
        }
        let entry = find(&format!("super_glue/{name}")).unwrap();
        let table = train(entry, scene.folder.path()).unwrap();
        assert_eq!(table.rows(), rows);
        let source = entry.source(&TaskConfig::default(), None, InputForm::EncoderDecoder);
        let source = source.unwrap();
        assert_eq!(source.bind(&table).unwrap().fill(0).text, expected);
    }
}

#[cfg(feature = "parquet")]
#[test]
fn the_parts_of_a_large_split_are_read_in_their_order() {
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/data/snappy.parquet");
    let scene = Scene::t5(&[]);
    let folder = scene.folder.path();
    for part in ["train-00000-of-00002", "train-00001-of-00002"] {
        fs::copy(&fixture, folder.join(format!("{part}.parquet"))).unwrap();
    }
    let entry = find("glue/sst2").unwrap();
    let table = train(entry, folder).unwrap();
    assert_eq!(table.columns(), ["sentence", "label"]);
    assert_eq!(
        (table.rows(), table.cell(0, 0), table.cell(3, 0)),
        (6, "plain", "plain")
    );
    fs::remove_file(folder.join("train-00000-of-00002.parquet")).unwrap();
    let message = train(entry, folder).unwrap_err().to_string();
    assert!(
        message.contains("is one of 2 files, and 1 are there"),
        "{message}"
    );
}

#[cfg(feature = "parquet")]
#[test]
fn a_task_in_the_cache_of_the_hub_needs_no_network() {
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/data/snappy.parquet");
    let cache = tempfile::tempdir().unwrap();
    let repository = cache.path().join("datasets--nyu-mll--glue");
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let folder = repository.join("snapshots").join(commit).join("sst2");
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::write(repository.join("refs/main"), commit).unwrap();
    fs::create_dir_all(&folder).unwrap();
    for part in ["train", "validation"] {
        fs::copy(
            &fixture,
            folder.join(format!("{part}-00000-of-00001.parquet")),
        )
        .unwrap();
    }
    let entry = find("glue/sst2").unwrap();
    let (hub, parts) = (
        Hub::new(cache.path().to_path_buf()),
        [Part::Train, Part::Validation],
    );
    let found = found(entry, &TaskConfig::default(), &parts, &hub, &|| false).unwrap();
    let expected = ["train", "validation"]
        .map(|part| vec![folder.join(format!("{part}-00000-of-00001.parquet"))]);
    assert_eq!(found, expected);
    let table = rows::read(entry, &found[1]).unwrap();
    assert_eq!((table.rows(), table.cell(0, 0)), (3, "plain"));
}
