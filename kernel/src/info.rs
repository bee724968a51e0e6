//! What the kernel says of itself.

use serde_json::{Value, json};

use crate::wire::PROTOCOL;

/// The content of a `kernel_info_reply`; `release` is the compiler's.
#[must_use]
pub(crate) fn content(release: &str) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "status": "ok",
        "protocol_version": PROTOCOL,
        "implementation": "compacter",
        "implementation_version": version,
        "language_info": {
            "name": "rust",
            "version": release,
            "mimetype": "text/x-rust",
            "file_extension": ".rs",
            "pygments_lexer": "rust",
            "codemirror_mode": "rust",
            "nbconvert_exporter": "rust",
        },
        "banner": format!("Compacter Workbench {version}: Rust cells; `compacter::prelude` is in scope; %help"),
        "debugger": false,
        "supported_features": ["iopub_welcome"],
        "help_links": [
            {"text": "The Rust book", "url": "https://doc.rust-lang.org/book/"},
            {"text": "Rust by example", "url": "https://doc.rust-lang.org/rust-by-example/"},
            {"text": "Compacter (arXiv 2106.04647)", "url": "https://arxiv.org/abs/2106.04647"},
        ],
    })
}
