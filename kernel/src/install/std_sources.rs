//! The standard library's sources, without which nothing is known of its types.
//!
//! They come with the toolchain's component `rust-src`. Where that is not installed and there
//! is no network to get it from, they are read out of the documentation, which shows every
//! file in full.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

fn sysroot() -> Result<PathBuf, String> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir("/")
        .output();
    let output = output.map_err(|error| format!("rustc: {error}"))?;
    Ok(PathBuf::from(
        String::from_utf8_lossy(&output.stdout).trim(),
    ))
}

/// Where ours are kept: for each version of the compiler its own.
fn kept(data: &Path) -> Result<PathBuf, String> {
    let toolchain = super::needs::toolchain()?;
    let release = super::needs::line(&toolchain, "release").to_owned();
    Ok(data.join("rust-src").join(release).join("library"))
}

/// The sources that there are.
pub(super) fn find(data: &Path) -> Result<PathBuf, String> {
    let installed = sysroot()?.join("lib/rustlib/src/rust/library");
    for library in [installed, kept(data)?] {
        if library.join("core/src/lib.rs").exists() {
            return Ok(library);
        }
    }
    Err(
        "not there: completion would know nothing of the standard library; \
         run `rustup component add rust-src`, then `compacter kernel install`"
            .to_owned(),
    )
}

/// The sources that there are, read out of the documentation where there are no others.
pub(super) fn find_or_make(data: &Path) -> Result<PathBuf, String> {
    if let Ok(found) = find(data) {
        return Ok(found);
    }
    let library = kept(data)?;
    let pages = sysroot()?.join("share/doc/rust/html/src");
    super::say("reading the standard library's sources out of its documentation");
    let written = ["core", "alloc", "std", "proc_macro", "std_detect", "test"]
        .iter()
        .filter(|name| pages.join(name).exists())
        .map(|name| read_pages(&pages.join(name), &library))
        .sum::<Result<usize, String>>()?;
    if written == 0 {
        super::say("there is no documentation to read them out of, either");
    }
    find(data)
}

/// Reads a folder of pages; says how many there were.
fn read_pages(pages: &Path, library: &Path) -> Result<usize, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", pages.display());
    let mut count = 0;
    for entry in fs::read_dir(pages).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            count += read_pages(&path, library)?;
        } else if let Some((name, source)) =
            fs::read_to_string(&path).ok().as_deref().and_then(source)
        {
            super::write(&library.join(name), &source)?;
            count += 1;
        }
    }
    Ok(count)
}

/// The file that a page shows: its path below `library/`, and its text.
fn source(page: &str) -> Option<(String, String)> {
    let (_, after) = page.split_once("Source of the Rust file `library/")?;
    let (name, _) = after.split_once('`')?;
    // A path that leaves the folder is not one of the documentation's.
    if name.split('/').any(|part| part == "..") || name.starts_with('/') {
        return None;
    }
    let (_, code) = page.split_once("<pre class=\"rust\"><code>")?;
    let (code, _) = code.rsplit_once("</code></pre>")?;
    let numbers = Regex::new(r"<a href=#\d+ id=\d+ data-nosnippet>\d+</a>").ok()?;
    let tags = Regex::new(r"<[^>]*>").ok()?;
    let code = numbers.replace_all(code, "");
    let code = tags.replace_all(&code, "");
    let code = code
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&amp;", "&");
    Some((name.to_owned(), code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_back() {
        let page = "<meta content=\"Source of the Rust file `library/core/src/a.rs`.\"><pre class=\"rust\"><code>\
                    <a href=#1 id=1 data-nosnippet>1</a><span class=\"kw\">fn </span>f(a: &amp;<a href=\"x\">str</a>) -&gt; bool {\n\
                    <a href=#2 id=2 data-nosnippet>2</a>    a == \"&amp;lt;\" &amp;&amp; 1 &lt; 2\n}\n</code></pre>";
        let expected = "fn f(a: &str) -> bool {\n    a == \"&lt;\" && 1 < 2\n}\n";
        assert_eq!(
            source(page),
            Some(("core/src/a.rs".to_owned(), expected.to_owned()))
        );
        assert_eq!(source(&page.replace("core/src", "../..")), None);
        assert_eq!(source("nothing"), None);
    }
}
