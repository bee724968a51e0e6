//! `compacter import`: a run of another library's adapter.

use compacter_core::Result;
use compacter_core::cancel::CancelToken;
use compacter_core::config::RunConfig;
use compacter_core::interop::{self, Head};
use compacter_core::train::import::import;

use crate::args::Import;
use crate::{print, signals, threads};

pub(crate) fn run(args: &Import) -> Result<()> {
    let mut adapter = interop::read(&args.adapter)?;
    if args.without_head {
        adapter = adapter.without_head();
    }
    let mut config = RunConfig::load(&args.config, &args.overrides)?;
    if let Some(name) = &args.name {
        config.name.clone_from(name);
    }
    threads::limit(config.train.threads);
    let cancel = CancelToken::default();
    signals::install(&cancel)?;
    let imported = import(&adapter, config, &cancel)?;
    let kind = adapter.method.kind;
    let path = imported.run.path().display();
    print::line(&format!("{path}  {kind}, at step 0"))?;
    if let Head::LeftOut(why) = &adapter.head {
        print::line(&format!("its task head was left out: {why}"))?;
    }
    if imported.has_new_head {
        print::line("the run has a new task head, which is not trained")?;
    }
    match &adapter.head {
        Head::None | Head::LeftOut(_) => Ok(()),
        Head::Linear { pooling, .. } => print::line(&format!(
            "with its task head, hence model.pooling = \"{}\"",
            pooling.as_str()
        )),
    }
}
