//! Magics: lines that begin with `%`, made into what evcxr knows.

/// What `%help` says.
const HELP: &str = "\
%%time            (first line) say how long the cell took, and how long its compilation
%vars             variables and their types
%deps             crates that cells can use
%dep NAME = VALUE add one, as in Cargo.toml: %dep rand = \"0.9\"
%opt LEVEL        optimise cells: 0 (the default; they compile fastest), 1, 2
%help             this
!COMMAND          run a line of the shell, in the notebook's folder, before the cell's code
:help             evcxr's own commands, of which these are made
";

/// A cell as evcxr is to have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spelt {
    /// Its code.
    pub(super) code: String,
    /// Lines for the shell, to be run before it.
    pub(super) shell: Vec<String>,
    /// Whether it is to be timed.
    pub(super) timed: bool,
    /// What is to be shown before it runs.
    pub(super) says: Option<&'static str>,
}

/// Spells the magics of a cell out, line by line; lines stay where they are.
///
/// # Errors
/// Why a line cannot be understood.
pub(super) fn spell(cell: &str) -> Result<Spelt, String> {
    let mut spelt = Spelt {
        code: String::new(),
        shell: Vec::new(),
        timed: false,
        says: None,
    };
    // A cell of a shell's `%` or Rust's remainder is not begun by one on a line of its own.
    let mut heading = true;
    for line in cell.split_inclusive('\n') {
        let text = line.trim();
        heading &= text.is_empty() || text.starts_with(['%', ':', '!']) || text.starts_with("//");
        if let (true, Some(command)) = (heading, text.strip_prefix('!')) {
            spelt.shell.push(command.trim().to_owned());
            spelt.code.push('\n');
            continue;
        }
        if !heading || !text.starts_with('%') {
            spelt.code.push_str(line);
            continue;
        }
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let command = match name {
            "%%time" | "%time" => {
                spelt.timed = true;
                rest.to_owned()
            }
            "%vars" => ":vars".to_owned(),
            "%deps" => ":show_deps".to_owned(),
            "%dep" => format!(":dep {rest}"),
            "%opt" => format!(":opt {rest}"),
            "%help" => {
                spelt.says = Some(HELP);
                String::new()
            }
            _ => return Err(format!("there is no magic {name}; %help lists them")),
        };
        spelt.code.push_str(command.trim_end());
        spelt.code.push('\n');
    }
    // evcxr would end this process without a word.
    if spelt.code.lines().any(|line| line.trim() == ":quit") {
        return Err("a notebook's kernel is ended by its front end: Kernel, Shut Down".to_owned());
    }
    Ok(spelt)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn magics_are_spelt_out_and_lines_stay_where_they_are() {
        let spelt = spell("%%time\n%opt 2\nlet a = 7\n  % 4;\n").unwrap();
        assert_eq!(spelt.code, "\n:opt 2\nlet a = 7\n  % 4;\n");
        assert!(spelt.timed);
        assert_eq!(spell("%time 1 + 1").unwrap().code, "1 + 1\n");
        assert_eq!(spell("%vars").unwrap().code, ":vars\n");
        let spelt = spell("!ls -l\n1 + 1\n  !true").unwrap();
        assert_eq!(
            (spelt.code.as_str(), spelt.shell),
            ("\n1 + 1\n  !true", vec!["ls -l".to_owned()])
        );
    }

    #[test]
    fn what_there_is_not_is_refused() {
        assert!(
            spell("%matplotlib inline")
                .unwrap_err()
                .contains("%matplotlib")
        );
        assert!(spell("1;\n:quit").unwrap_err().contains("front end"));
        // A remainder.
        assert!(spell("7\n% 4").is_ok());
        assert!(spell("%help").unwrap().says.unwrap().contains("%opt"));
    }
}
