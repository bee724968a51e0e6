//! The tasks, one entry each. Names of classes, in the order of their numbers, and columns
//! are those of the data sets on the hub (`nyu-mll/glue`, `aps/super_glue`); other names of
//! columns are those of the official downloads.

use super::{Benchmark, Column, Effect, Layout, Split};
use crate::config::{Quirk, TaskKind};

const LABEL: Column = Column("label", &[]);
const SENTENCE1: Column = Column("sentence1", &[]);
const SENTENCE2: Column = Column("sentence2", &[]);
const PREMISE: Column = Column("premise", &["sentence1"]);
const HYPOTHESIS: Column = Column("hypothesis", &["sentence2"]);
const QUESTION: Column = Column("question", &[]);

const SENTENCES: &str = "sentence1: {sentence1} sentence2: {sentence2}";
const BOOLEAN: &[&str] = &["false", "true"];
const TWO_WAY: &[&str] = &["entailment", "not_entailment"];

/// Longest inputs in the paper's runs on GLUE.
const GLUE: usize = 128;
/// Nothing is published for the paper's runs on SuperGLUE; passages are longer.
const SUPER_GLUE: usize = 256;

/// What most tasks are; an entry says what is different.
const PLAIN: Benchmark = Benchmark {
    name: "",
    folder: "",
    kind: TaskKind::Classification,
    labels: &[],
    columns: &[],
    layout: Layout::Plain,
    template: "",
    encoder: None,
    metrics: &["accuracy"],
    split: Split::Halved,
    quirk: None,
    max_length: GLUE,
};

pub(super) static ALL: [Benchmark; 17] = [
    Benchmark {
        name: "glue/cola",
        folder: "CoLA",
        labels: &["unacceptable", "acceptable"],
        columns: &[Column("sentence", &[]), LABEL],
        layout: Layout::Headless(&["source", "label", "annotation", "sentence"]),
        template: "sentence: {sentence}",
        encoder: Some(&["{sentence}"]),
        metrics: &["matthews"],
        ..PLAIN
    },
    Benchmark {
        name: "glue/sst2",
        folder: "SST-2",
        labels: &["negative", "positive"],
        columns: &[Column("sentence", &[]), LABEL],
        template: "sentence: {sentence}",
        encoder: Some(&["{sentence}"]),
        split: Split::Carved,
        ..PLAIN
    },
    Benchmark {
        name: "glue/mrpc",
        folder: "MRPC",
        labels: &["not_equivalent", "equivalent"],
        columns: &[
            Column("sentence1", &["#1 String"]),
            Column("sentence2", &["#2 String"]),
            Column("label", &["Quality"]),
        ],
        template: SENTENCES,
        encoder: Some(&["{sentence1}", "{sentence2}"]),
        metrics: &["average", "f1", "accuracy"],
        ..PLAIN
    },
    Benchmark {
        name: "glue/qqp",
        folder: "QQP",
        labels: &["not_duplicate", "duplicate"],
        columns: &[
            Column("question1", &[]),
            Column("question2", &[]),
            Column("label", &["is_duplicate"]),
        ],
        layout: Layout::ShortRows,
        template: "question1: {question1} question2: {question2}",
        encoder: Some(&["{question1}", "{question2}"]),
        metrics: &["average", "f1", "accuracy"],
        split: Split::Carved,
        ..PLAIN
    },
    Benchmark {
        name: "glue/stsb",
        folder: "STS-B",
        kind: TaskKind::Regression,
        columns: &[SENTENCE1, SENTENCE2, Column("label", &["score"])],
        template: SENTENCES,
        encoder: Some(&["{sentence1}", "{sentence2}"]),
        metrics: &["average", "pearson", "spearman"],
        quirk: Some((Quirk::StsbTenths, Effect::Tenths)),
        ..PLAIN
    },
    Benchmark {
        name: "glue/mnli",
        folder: "MNLI",
        labels: &["entailment", "neutral", "contradiction"],
        columns: &[PREMISE, HYPOTHESIS, Column("label", &["gold_label"])],
        template: "premise: {premise} hypothesis: {hypothesis}",
        encoder: Some(&["{premise}", "{hypothesis}"]),
        split: Split::Mnli,
        quirk: Some((
            Quirk::MnliNoColon,
            Effect::Template("premise: {premise} hypothesis {hypothesis}"),
        )),
        ..PLAIN
    },
    Benchmark {
        name: "glue/qnli",
        folder: "QNLI",
        labels: TWO_WAY,
        columns: &[QUESTION, Column("sentence", &[]), LABEL],
        template: "question: {question} sentence: {sentence}",
        encoder: Some(&["{question}", "{sentence}"]),
        split: Split::Carved,
        ..PLAIN
    },
    Benchmark {
        name: "glue/rte",
        folder: "RTE",
        labels: TWO_WAY,
        columns: &[SENTENCE1, SENTENCE2, LABEL],
        template: SENTENCES,
        encoder: Some(&["{sentence1}", "{sentence2}"]),
        ..PLAIN
    },
    Benchmark {
        name: "glue/wnli",
        folder: "WNLI",
        labels: &["not_entailment", "entailment"],
        columns: &[SENTENCE1, SENTENCE2, LABEL],
        template: SENTENCES,
        encoder: Some(&["{sentence1}", "{sentence2}"]),
        ..PLAIN
    },
    Benchmark {
        name: "super_glue/boolq",
        folder: "BoolQ",
        labels: BOOLEAN,
        columns: &[QUESTION, Column("passage", &[]), LABEL],
        template: "question: {question} passage: {passage}",
        encoder: Some(&["{question}", "{passage}"]),
        max_length: SUPER_GLUE,
        ..PLAIN
    },
    Benchmark {
        name: "super_glue/rte",
        folder: "RTE",
        labels: TWO_WAY,
        columns: &[PREMISE, HYPOTHESIS, LABEL],
        template: "premise: {premise} hypothesis: {hypothesis}",
        encoder: Some(&["{premise}", "{hypothesis}"]),
        max_length: SUPER_GLUE,
        ..PLAIN
    },
    Benchmark {
        name: "super_glue/cb",
        folder: "CB",
        labels: &["entailment", "contradiction", "neutral"],
        columns: &[PREMISE, HYPOTHESIS, LABEL],
        template: "premise: {premise} hypothesis: {hypothesis}",
        encoder: Some(&["{premise}", "{hypothesis}"]),
        metrics: &["average", "mean_f1", "accuracy"],
        max_length: SUPER_GLUE,
        ..PLAIN
    },
    Benchmark {
        name: "super_glue/copa",
        folder: "COPA",
        labels: &["choice1", "choice2"],
        columns: &[
            Column("premise", &[]),
            Column("choice1", &[]),
            Column("choice2", &[]),
            QUESTION,
            LABEL,
        ],
        // The reference leaves out whether cause or effect is asked for, without which many
        // rows have no answer; T5 (arXiv:1910.10683, appendix D) gives it, under this name.
        template: "premise: {premise} choice1: {choice1} choice2: {choice2} question: {question}",
        quirk: Some((
            Quirk::CopaNoQuestion,
            Effect::Template("premise: {premise} choice1: {choice1} choice2: {choice2}"),
        )),
        max_length: SUPER_GLUE,
        ..PLAIN
    },
    Benchmark {
        name: "super_glue/multirc",
        folder: "MultiRC",
        labels: BOOLEAN,
        columns: &[
            Column("paragraph", &[]),
            QUESTION,
            Column("answer", &[]),
            LABEL,
        ],
        layout: Layout::MultiRc,
        template: "question: {question} answer: {answer} paragraph: {paragraph}",
        encoder: Some(&["{question} {answer}", "{paragraph}"]),
        metrics: &["average", "f1", "exact_match"],
        quirk: Some((Quirk::MultircPartedQuestions, Effect::SingleRows)),
        max_length: SUPER_GLUE,
        ..PLAIN
    },
    Benchmark {
        name: "super_glue/wic",
        folder: "WiC",
        labels: BOOLEAN,
        columns: &[SENTENCE1, SENTENCE2, Column("word", &[]), LABEL],
        template: "sentence1: {sentence1} sentence2: {sentence2} word: {word}",
        encoder: Some(&["{word}: {sentence1}", "{sentence2}"]),
        max_length: SUPER_GLUE,
        ..PLAIN
    },
    Benchmark {
        name: "super_glue/wsc.fixed",
        folder: "WSC",
        labels: BOOLEAN,
        columns: &[
            Column("text", &[]),
            Column("span1_index", &[]),
            Column("span1_text", &[]),
            Column("span2_index", &[]),
            Column("span2_text", &[]),
            LABEL,
        ],
        layout: Layout::Wsc,
        template: "text: {marked}",
        encoder: Some(&["{marked}"]),
        max_length: SUPER_GLUE,
        ..PLAIN
    },
    Benchmark {
        name: "super_glue/record",
        folder: "ReCoRD",
        kind: TaskKind::TextToText,
        columns: &[
            Column("passage", &[]),
            Column("query", &[]),
            Column("entities", &[]),
            Column("label", &["answers"]),
        ],
        layout: Layout::Record,
        template: "record query: {query} entities: {entities} passage: {passage}",
        metrics: &["average", "f1", "exact_match"],
        split: Split::Carved,
        quirk: Some((Quirk::RecordRepeatedQueries, Effect::Repeated)),
        max_length: SUPER_GLUE,
        ..PLAIN
    },
];
