//! Whether a cell is whole: what a console asks before it runs what was typed.

use ra_ap_syntax::ast::{self, HasName};
use ra_ap_syntax::{AstNode, Edition, NodeOrToken, SourceFile, SyntaxKind, SyntaxNode};
use serde_json::{Value, json};

/// Spaces of one indentation.
const INDENT: usize = 4;

/// What a cell's text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whole {
    /// It can be run.
    Complete,
    /// More has to follow, indented by so many spaces.
    Incomplete(usize),
    /// Nothing that follows can make it right.
    Invalid,
}

impl Whole {
    /// The content of an `is_complete_reply`.
    #[must_use]
    pub fn content(&self) -> Value {
        match self {
            Self::Complete => json!({"status": "complete"}),
            Self::Invalid => json!({"status": "invalid"}),
            Self::Incomplete(spaces) => {
                json!({"status": "incomplete", "indent": " ".repeat(*spaces)})
            }
        }
    }
}

/// Says what a cell's text is.
#[must_use]
pub fn whole(cell: &str) -> Whole {
    let commands = |line: &str| line.trim_start().starts_with([':', '%', '!']);
    let code: String = cell
        .split_inclusive('\n')
        .filter(|line| !commands(line))
        .collect();
    let code = code.trim_end();
    if code.is_empty() {
        return Whole::Complete;
    }
    let depth = match depth(code) {
        Depth::Open(depth) => return Whole::Incomplete(depth * INDENT),
        Depth::Unterminated => return Whole::Incomplete(0),
        Depth::TooMany => return Whole::Invalid,
        Depth::Even => 0,
    };
    let begin = "fn cell() {\n";
    let end = begin.len() + code.len();
    let parsed = SourceFile::parse(&format!("{begin}{code}\n}}"), Edition::CURRENT);
    let errors = parsed.errors();
    let places = errors
        .iter()
        .map(|error| usize::from(error.range().start()));
    // Items and statements may stand together in a cell, and attributes of the whole crate.
    let places: Vec<usize> = places.collect();
    if places.is_empty() {
        Whole::Complete
    } else if places.iter().all(|at| *at >= end)
        || ends_in_operator(&parsed.tree().syntax().clone(), end)
    {
        Whole::Incomplete(depth + INDENT)
    } else {
        Whole::Invalid
    }
}

/// Names of the statics that a cell defines, outside of its functions.
#[must_use]
pub fn statics(cell: &str) -> Vec<String> {
    let file = SourceFile::parse(cell, Edition::CURRENT).tree();
    let items = file.syntax().children().filter_map(ast::Static::cast);
    let names = items.filter_map(|item| item.name());
    names.map(|name| name.text().to_string()).collect()
}

/// How brackets stand at a text's end.
enum Depth {
    Even,
    Open(usize),
    TooMany,
    /// A string or a comment has no end.
    Unterminated,
}

fn depth(code: &str) -> Depth {
    let parsed = ra_ap_syntax::SourceFile::parse(code, Edition::CURRENT);
    let (mut open, mut last) = (Vec::new(), None);
    for token in parsed
        .syntax_node()
        .descendants_with_tokens()
        .filter_map(NodeOrToken::into_token)
    {
        let closes = |with: SyntaxKind, open: &mut Vec<SyntaxKind>| open.pop() == Some(with);
        let right = match token.kind() {
            kind @ (SyntaxKind::L_PAREN | SyntaxKind::L_BRACK | SyntaxKind::L_CURLY) => {
                open.push(kind);
                true
            }
            SyntaxKind::R_PAREN => closes(SyntaxKind::L_PAREN, &mut open),
            SyntaxKind::R_BRACK => closes(SyntaxKind::L_BRACK, &mut open),
            SyntaxKind::R_CURLY => closes(SyntaxKind::L_CURLY, &mut open),
            _ => true,
        };
        if !right {
            return Depth::TooMany;
        }
        last = Some(token);
    }
    let text = last.map(|token| (token.kind(), token.text().to_owned()));
    match text {
        Some((SyntaxKind::COMMENT, text)) if text.starts_with("/*") && !is_closed(&text) => {
            Depth::Unterminated
        }
        Some((SyntaxKind::STRING, text))
            if text.len() < 2 || !text.ends_with('"') || text.ends_with("\\\"") =>
        {
            Depth::Unterminated
        }
        _ if open.is_empty() => Depth::Even,
        _ => Depth::Open(open.len()),
    }
}

/// Whether a block comment has as many ends as beginnings.
fn is_closed(comment: &str) -> bool {
    comment.matches("/*").count() == comment.matches("*/").count()
}

/// Whether the last token before the end wants something on its right.
fn ends_in_operator(tree: &SyntaxNode, end: usize) -> bool {
    let tokens = tree
        .descendants_with_tokens()
        .filter_map(NodeOrToken::into_token);
    let before = tokens
        .filter(|token| usize::from(token.text_range().end()) <= end && !token.kind().is_trivia());
    before.last().is_some_and(|token| {
        matches!(
            token.text(),
            "=" | "+"
                | "-"
                | "*"
                | "/"
                | "%"
                | "&&"
                | "||"
                | "."
                | ","
                | "=>"
                | "->"
                | "=="
                | "<"
                | "<="
                | ">="
                | "!="
                | "::"
                | "|"
                | "^"
                | "&"
                | ".."
                | "in"
                | "let"
                | "else"
                | "return"
                | "if"
                | "match"
                | "while"
                | "for"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_cells_are_known() {
        for cell in [
            "1 + 1",
            "let a = 5;",
            "fn f() {}\nf()",
            ":dep rand = \"0.9\"",
            "%vars",
            "",
            "// a comment",
            "use std::fmt;",
            "\"a string\"",
            "#[derive(Debug)] struct A;",
            "for i in 0..3 {\n    print!(\"{i}\")\n}",
        ] {
            assert_eq!(whole(cell), Whole::Complete, "{cell}");
        }
    }

    #[test]
    fn statics_are_found() {
        let cell = "use std::fmt;\nstatic A: i32 = 1;\nfn f() { static B: i32 = 2; }\nf();\npub static mut C: u8 = 0;";
        assert_eq!(statics(cell), ["A", "C"]);
    }

    #[test]
    fn cells_that_go_on_are_known() {
        for (cell, indent) in [
            ("for i in 0..3 {", 4),
            ("fn f(\n", 4),
            ("{\n  [", 8),
            ("let a =", 4),
            ("1 +", 4),
            ("\"no end", 0),
            ("/* no end", 0),
            ("fn f()", 4),
            ("let a = 5", 4),
        ] {
            assert_eq!(whole(cell), Whole::Incomplete(indent), "{cell}");
        }
    }

    #[test]
    fn cells_that_cannot_become_right_are_known() {
        for cell in [")", "let = 3;", "fn f( ]", "}", "let a b = 3;"] {
            assert_eq!(whole(cell), Whole::Invalid, "{cell}");
        }
    }
}
