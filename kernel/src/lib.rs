//! The Jupyter kernel of Compacter Workbench.
//!
//! Nothing is here yet: the crate only holds the kernel's place in the workspace.
