//! What the hub's refusals mean, in terms of what the user can do.

use hf_hub::HFError;

use super::HubId;

/// How to show the hub who asks.
const LOGIN: &str = "set HF_TOKEN, or log in with `hf auth login`";

/// Says why something could not be had, and what to do.
pub(super) fn explain(id: &HubId, error: HFError) -> String {
    let thing = id.kind.noun();
    if gated(&error) {
        return format!(
            "the hub gives this {thing} only to who accepted its terms: \
             accept them on its page, then {LOGIN}"
        );
    }
    match error {
        HFError::RevisionNotFound { context, .. }
            if context
                .as_ref()
                .is_none_or(|c| c.error_code.as_deref() != Some("RepoNotFound")) =>
        {
            format!("the hub has no revision `{}` of this {thing}", id.revision)
        }
        HFError::RepoNotFound { .. } | HFError::RevisionNotFound { .. } => {
            format!("there is no such folder, and no such {thing} on the hub")
        }
        // To who is not logged in, the hub does not tell private from absent.
        HFError::AuthRequired { .. } | HFError::Forbidden { .. } => format!(
            "there is no such folder, and the hub has no such {thing}, or a private one: \
             check the name, or {LOGIN}"
        ),
        HFError::EntryNotFound { path, .. } => format!("the hub does not have its {path}"),
        HFError::RateLimited { retry_after, .. } => match retry_after {
            Some(wait) => format!("the hub is busy: try again in {} seconds", wait.as_secs()),
            None => "the hub is busy: try again later".to_owned(),
        },
        HFError::Request { source, url } => {
            let mut cause: &dyn std::error::Error = &source;
            while let Some(deeper) = cause.source() {
                cause = deeper;
            }
            let address = url.unwrap_or_else(|| "the hub".to_owned());
            format!(
                "there is no such folder, and {address} cannot be reached ({cause}): \
                 check the network or HF_ENDPOINT, or give a local folder"
            )
        }
        HFError::CacheLockTimeout { path } => format!(
            "another program is downloading it: wait for that, or remove {}",
            path.display()
        ),
        HFError::Io(error) => format!("{error}: what has come is kept, try once more"),
        other => format!("the hub could not give it: {other}"),
    }
}

fn gated(error: &HFError) -> bool {
    let (HFError::AuthRequired { context } | HFError::Forbidden { context }) = error else {
        return false;
    };
    context.error_code.as_deref() == Some("GatedRepo")
}
