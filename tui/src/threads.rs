//! How many threads the tensor library starts.

/// Limits the tensor library's own threads to `threads`; 0 leaves the choice to it.
///
/// It reads the number from the environment once, when it first needs a thread, and offers
/// no other way. Call this before any thread is started.
pub(crate) fn limit(threads: usize) {
    if threads == 0 {
        return;
    }
    #[expect(
        unsafe_code,
        reason = "the tensor library is told its number of threads in no other way"
    )]
    // SAFETY: called at the start of a command, while this is the only thread, so nothing
    // reads the environment meanwhile.
    unsafe {
        std::env::set_var("RAYON_NUM_THREADS", threads.to_string());
    }
}
