//! What is refused, and what the refusals say.

use super::*;

const RTE: &str = "sentence1\tsentence2\tlabel\na\tb\t0\nc\td\t1\n";

fn refused(form: InputForm, settings: &str, files: &[(&str, &str)]) -> String {
    let result = Scene::new(form, files).load(settings);
    result
        .err()
        .unwrap_or_else(|| panic!("{settings} was taken"))
        .to_string()
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let t5 = InputForm::EncoderDecoder;
    let bert = InputForm::Encoder;
    for (form, settings, expected) in [
        (
            t5,
            "name = 'glue/rta'",
            "task.name: no task is named `glue/rta` (did you mean `glue/rte`?)",
        ),
        (t5, "name = 'super_glue/wsc'", "super_glue/wsc.fixed"),
        (
            t5,
            "name = 'glue/rte'\nquirks = ['stsb-tenths']",
            "task.quirks: `glue/rte` has no `stsb-tenths`; it has none",
        ),
        (
            t5,
            "name = 'glue/mnli'\nquirks = ['stsb-tenths']",
            "it has `mnli-no-colon`",
        ),
        (
            bert,
            "name = 'super_glue/copa'",
            "task.name: `super_glue/copa` needs an encoder-decoder",
        ),
        (
            bert,
            "name = 'super_glue/record'",
            "needs an encoder-decoder",
        ),
        (
            bert,
            "name = 'glue/rte'\nprefix = true",
            "task.prefix: is about what T5 reads",
        ),
        (
            bert,
            "name = 'glue/stsb'\nquirks = ['stsb-tenths']",
            "task.quirks: is about what T5 reads",
        ),
        (
            t5,
            "name = 'glue/rte'\nmax_target_length = 5",
            "text-to-text tasks only",
        ),
    ] {
        let message = refused(form, settings, &[("train.tsv", RTE), ("dev.tsv", RTE)]);
        assert!(message.contains(expected), "{expected}: {message}");
    }
}

#[test]
fn files_that_are_not_as_needed_are_named() {
    let train = ("train.tsv", RTE);
    let rte = "name = 'glue/rte'";
    for (settings, files, expected) in [
        (
            rte,
            &[][..],
            "holds no training file of `glue/rte`: train.tsv",
        ),
        (rte, &[train], "lacks a file named validation, dev, val"),
        (
            rte,
            &[train, ("dev.tsv", RTE), ("val.tsv", RTE)],
            "dev.tsv: ",
        ),
        (
            rte,
            &[train, ("train.jsonl", "{}"), ("dev.tsv", RTE)],
            "train.jsonl is there too: leave one of the two",
        ),
        (
            rte,
            &[("train.tsv", "sentence1\tlabel\na\t0\n"), ("dev.tsv", RTE)],
            "train.tsv: no column `sentence2`, which glue/rte needs; of those that it can use \
             there are `sentence1`, `label`",
        ),
        (
            "name = 'super_glue/cb'",
            &[("train.tsv", "premise\tlabel\na\t0\n"), ("dev.tsv", RTE)],
            "no column `hypothesis` or `sentence2`",
        ),
        (
            rte,
            &[
                train,
                ("dev.tsv", "sentence1\tsentence2\tlabel\na\tb\tmaybe\n"),
            ],
            "dev.tsv: has too little to be halved",
        ),
        (
            "name = 'glue/rte'\nsplit = 'official'",
            &[
                train,
                ("dev.tsv", "sentence1\tsentence2\tlabel\na\tb\tmaybe\n"),
            ],
            "dev.tsv:2: unknown label `maybe`; known are `entailment`, `not_entailment`",
        ),
        (
            "name = 'glue/qnli'",
            &[
                ("train.tsv", "question\tsentence\tlabel\na\tb\t0\n"),
                ("dev.tsv", "question\tsentence\tlabel\na\tb\t0\n"),
            ],
            "train.tsv: has 1 rows, but 1000 are held out for validation",
        ),
        (
            rte,
            &[
                ("train.tsv", "sentence1\tsentence2\tlabel\na\t0\n"),
                ("dev.tsv", RTE),
            ],
            "train.tsv:2: expected 3 cells, found 2",
        ),
    ] {
        let message = refused(InputForm::EncoderDecoder, settings, files);
        assert!(message.contains(expected), "{expected}: {message}");
    }
}

#[test]
fn rows_that_are_not_as_needed_are_named_with_their_line() {
    let spans = "text\tspan1_index\tspan1_text\tspan2_index\tspan2_text\tlabel\n";
    let good = "Ann ran.\t0\tAnn\t1\tran\t1\n";
    let record = r#"{"passage": "P", "query": "Q", "entities": ["a", 2], "answers": ["b"]}"#;
    for (name, file, content, expected) in [
        (
            "wsc.fixed",
            "train.tsv",
            format!("{spans}{good}Ann ran.\t0\tAnn\t9\tran\t1\n"),
            "train.tsv:3: `span2_index` is 9, but `text` has fewer words",
        ),
        (
            "wsc.fixed",
            "train.tsv",
            format!("{spans}Ann ran.\tfirst\tAnn\t1\tran\t1\n"),
            "train.tsv:2: `span1_index` must be the number of a word, found `first`",
        ),
        (
            "wsc.fixed",
            "train.jsonl",
            r#"{"text": "Ann ran.", "target": {"span1_index": 0}, "label": true}"#.to_owned(),
            "train.jsonl:1: `target`: missing field",
        ),
        (
            "multirc",
            "train.jsonl",
            r#"{"passage": {"text": "P"}, "idx": 0}"#.to_owned(),
            "train.jsonl:1: `passage`: missing field `questions`",
        ),
        (
            "record",
            "train.jsonl",
            record.to_owned(),
            "train.jsonl:1: `entities`: not a list of texts",
        ),
        (
            "boolq",
            "train.jsonl",
            r#"{"question": null, "passage": "P", "label": true}"#.to_owned(),
            "train.jsonl:1: `question` is null",
        ),
        (
            "boolq",
            "train.jsonl",
            r#"{"text": "P"}"#.to_owned(),
            "train.jsonl:1: has none of the keys question, passage, label",
        ),
    ] {
        let settings = format!("name = 'super_glue/{name}'\nsplit = 'official'");
        // The training file is read first.
        let files = [(file, &*content), ("val.tsv", "nothing of use\n")];
        let message = refused(InputForm::EncoderDecoder, &settings, &files);
        assert!(message.contains(expected), "{expected}: {message}");
    }
}
