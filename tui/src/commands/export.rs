//! `compacter export`: what a run trained, in files of other libraries.

use compacter_core::interop::{self, Library};
use compacter_core::{Error, Result};

use super::trained;
use crate::args::{Export, Format};
use crate::print;

pub(crate) fn run(args: &Export) -> Result<()> {
    if let Some(option) = args.idle() {
        let message = format!("{option} says nothing about this format; leave it out");
        return Err(Error::method(message));
    }
    let mut prepared = trained::load(&args.run, args.checkpoint)?.prepared;
    let library = match args.format {
        Format::Merged => {
            interop::write_merged(&mut prepared.model, &prepared.files, &args.folder)?;
            return wrote(args);
        }
        Format::Adapterhub => Library::AdapterHub,
        Format::Peft => Library::Peft,
    };
    let export = interop::Export {
        method: &prepared.method,
        model: &prepared.model,
        trainables: &prepared.trainables,
        labels: prepared.data.task.labels(),
        base: &prepared.config.model.path,
        name: args.name.as_deref().unwrap_or("default"),
        head: !args.without_head,
        layer_norms: args.layer_norms,
    };
    interop::write(library, &export, &args.folder)?;
    wrote(args)
}

fn wrote(args: &Export) -> Result<()> {
    print::line(&format!("wrote {}", args.folder.display()))
}
