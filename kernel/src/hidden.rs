//! Names that cells cannot use: private methods and fields of the crates that cells name.
//!
//! evcxr has rust-analyzer take all sources for the user's own, of which private names are offered
//! too. The installation reads these names out of the sources; a completion leaves them out,
//! unless a cell has such a name of its own.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::Path;

use ra_ap_syntax::ast::{self, HasName, HasVisibility};
use ra_ap_syntax::{AstNode, Edition, NodeOrToken, SourceFile, SyntaxKind, SyntaxNode};
use serde_json::Value;

/// The file of a build that holds the names.
const FILE: &str = "hidden.json";

/// Finds the names of a view's packages, and notes them in a build.
///
/// # Errors
/// When a source cannot be read or the file not be written; for people.
pub(crate) fn note(view: &Value, build: &Path) -> Result<(), String> {
    let mut names = Names::default();
    let manifests = view["packages"].as_array().into_iter().flatten();
    let manifests = manifests.filter_map(|package| package["manifest_path"].as_str());
    for manifest in manifests {
        let sources = Path::new(manifest).with_file_name("src");
        names
            .read(&sources)
            .map_err(|error| format!("{}: {error}", sources.display()))?;
    }
    let hidden: BTreeSet<&String> = names.private.difference(&names.public).collect();
    let path = build.join(FILE);
    serde_json::to_vec(&hidden)
        .map_err(io::Error::from)
        .and_then(|text| fs::write(&path, text))
        .map_err(|error| format!("{}: {error}", path.display()))
}

#[derive(Default)]
struct Names {
    public: HashSet<String>,
    private: HashSet<String>,
}

impl Names {
    fn read(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.read(&path)?;
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                self.sort(&fs::read_to_string(&path)?);
            }
        }
        Ok(())
    }

    fn sort(&mut self, source: &str) {
        let file = SourceFile::parse(source, Edition::CURRENT);
        for node in file.tree().syntax().descendants() {
            if is_macro_of_items(&node) {
                // What it makes of these words is not known.
                let tokens = node.descendants_with_tokens();
                let tokens = tokens.filter_map(NodeOrToken::into_token);
                let words = tokens.filter(|token| token.kind() == SyntaxKind::IDENT);
                self.public.extend(words.map(|word| word.text().to_owned()));
            } else if let Some(field) = ast::RecordField::cast(node.clone()) {
                self.add(&field, &node);
            } else if let Some(function) = ast::Fn::cast(node.clone())
                && node
                    .parent()
                    .is_some_and(|list| list.kind() == SyntaxKind::ASSOC_ITEM_LIST)
            {
                self.add(&function, &node);
            }
        }
    }

    fn add(&mut self, named: &(impl HasName + HasVisibility), node: &SyntaxNode) {
        let Some(name) = named.name() else { return };
        let says_so = named
            .visibility()
            .is_some_and(|visibility| visibility.syntax().text() == "pub");
        let names = if says_so || is_of_public(node) {
            &mut self.public
        } else {
            &mut self.private
        };
        names.insert(name.text().to_string());
    }
}

/// Whether it is a macro's definition, or a call that stands where items do.
fn is_macro_of_items(node: &SyntaxNode) -> bool {
    use SyntaxKind::{ASSOC_ITEM_LIST, ITEM_LIST, MACRO_CALL, MACRO_RULES, SOURCE_FILE};
    let around = node.parent().map(|around| around.kind());
    node.kind() == MACRO_RULES
        || node.kind() == MACRO_CALL
            && matches!(around, Some(SOURCE_FILE | ITEM_LIST | ASSOC_ITEM_LIST))
}

/// Whether it is as visible as what it is a part of: a trait, its implementation, a variant.
fn is_of_public(node: &SyntaxNode) -> bool {
    let around = node.parent().and_then(|list| list.parent());
    around.is_some_and(|around| match around.kind() {
        SyntaxKind::TRAIT | SyntaxKind::VARIANT => true,
        SyntaxKind::IMPL => ast::Impl::cast(around).is_some_and(|it| it.trait_().is_some()),
        _ => false,
    })
}

/// What is left out of completions.
#[derive(Debug, Default)]
pub(crate) struct Hidden {
    names: HashSet<String>,
    /// Words of the cells that were run.
    typed: HashSet<String>,
}

impl Hidden {
    /// Those of a build.
    pub(crate) fn of(build: &Path) -> Self {
        let path = build.join(FILE);
        let read = fs::read(&path).and_then(|text| Ok(serde_json::from_slice(&text)?));
        let names = read.unwrap_or_else(|error| {
            tracing::warn!("{}: {error}", path.display());
            HashSet::new()
        });
        Self {
            names,
            typed: HashSet::new(),
        }
    }

    /// A cell was run: its names are the user's.
    pub(crate) fn learn(&mut self, code: &str) {
        self.typed.extend(words(code).map(str::to_owned));
    }

    /// Whether a member's name is not for cells, at the end of a text that is being typed.
    pub(crate) fn has(&self, name: &str, before: &str) -> bool {
        before.ends_with(['.', ':'])
            && self.names.contains(name)
            && !self.typed.contains(name)
            && !words(before).any(|word| word == name)
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    const SOURCE: &str = "
        pub struct S { pub a: i32, b: i32 }
        enum E { V { c: i32 } }
        impl S {
            pub fn d(&self) {}
            pub(crate) fn e(&self) {}
            fn f(&self) {}
            fn both(&self) {}
            fn i(&self) { call!(self.f()) }
        }
        impl T for S { fn g(&self) {} }
        trait T { fn h(&self); }
        impl R { pub fn both() {} }
        pub fn f() {}
        made!(i);
    ";

    fn hidden() -> Hidden {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        fs::write(folder.path().join("src/lib.rs"), SOURCE).unwrap();
        let manifest = folder.path().join("Cargo.toml");
        let view = json!({"packages": [{"manifest_path": manifest}]});
        note(&view, folder.path()).unwrap();
        Hidden::of(folder.path())
    }

    #[test]
    fn names_that_are_private_everywhere_are_hidden() {
        let mut names: Vec<String> = hidden().names.into_iter().collect();
        names.sort();
        assert_eq!(names, ["b", "e", "f"]);
    }

    #[test]
    fn a_name_of_the_users_own_is_not_hidden() {
        let mut hidden = hidden();
        assert!(hidden.has("f", "s."));
        assert!(!hidden.has("f", "call"));
        assert!(!hidden.has("f", "fn f() {}\ns."));
        hidden.learn("struct Mine { e: i32 }");
        assert!(!hidden.has("e", "mine."));
    }
}
