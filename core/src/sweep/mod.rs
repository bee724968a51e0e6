//! Sweeps: a grid over the fields of a configuration, a run for each point, and a table.
//!
//! ```text
//! SWEEP.toml ─ plan ─▶ runs, each with a name and a configuration
//!                        │ somebody trains and measures them, in any order, any number of times
//!                        ▼
//!                     folder: results/<run>.json ─ report ─▶ table (Markdown, CSV, JSONL, Parquet)
//! ```
//!
//! | file            | what                                                          |
//! |-----------------|---------------------------------------------------------------|
//! | `grid.rs`       | the `[grid]` table: axes, and the points on them              |
//! | `plan.rs`       | [`Sweep`]: the file read, every run with its configuration    |
//! | `name.rs`       | names of runs                                                 |
//! | `folder.rs`     | [`SweepFolder`]: what is there of each run                    |
//! | `result.rs`     | [`Outcome`]: what a run came to                               |
//! | `budget.rs`     | how many runs may go on at a time                             |
//! | `compare.rs`    | any runs beside each other: memory, time, metrics             |
//! | `statistics.rs` | mean, standard deviation, paired intervals                    |
//! | `report.rs`     | [`Report`]: settings chosen on validation, values of the test split |
//!
//! # The file
//! Everything outside these three tables is the configuration of a run, as `compacter train`
//! takes it; its `name` is the sweep's.
//!
//! ```toml
//! [grid]
//! task.max_train_samples = [100, 500]      # a field and its values
//! train.seed = [1, 2, 3]
//! [[grid.method]]                          # values that vary together
//! method.kind = "full"
//! train.learning_rate = 3e-4
//! [[grid.method]]
//! label = "compacter, n = 8"               # what tables call it
//! method = { kind = "compacter", n = 8 }
//! train.learning_rate = 3e-3
//!
//! [select]
//! tune = ["train.learning_rate"]           # chosen on the validation split
//! replicates = ["train.seed"]              # averaged over
//! compare = "method"                       # what stands beside each other
//! baseline = "full"
//!
//! [jobs]
//! parallel = 2                             # left out: as many as cores and memory allow
//! memory_mib = 1500                        # of a run, where it is known beforehand
//! gpus = [0, 1]                            # one run each
//! slurm = ["--time=01:00:00"]              # options of sbatch
//! ```
//!
//! Values are chosen by the metric that decides which checkpoint of a run is best, on the
//! validation split; the table tells that metric on the test split. The two are never the
//! same: a task without a test split is refused.

mod budget;
pub mod compare;
mod folder;
mod grid;
mod name;
mod plan;
mod report;
mod result;
pub mod slurm;
pub mod statistics;
pub mod table;

pub use budget::{Budget, recorded_peak};
pub use folder::{Standing, SweepFolder};
pub use grid::{Column, Role, Value};
pub use plan::{Jobs, Planned, Select, Sweep};
pub use report::{Found, Report, Row, Tally};
pub use result::{Measured, Outcome};
pub use table::Table;
