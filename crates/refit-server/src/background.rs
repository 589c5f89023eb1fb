//! Work that may take long and must not keep anybody waiting.

/// Lets the writer and the requests go first: lowers the priority of the calling thread, where the system can do that.
pub fn yield_to_others() {
    #[cfg(target_os = "linux")]
    {
        // On Linux a priority belongs to a thread (setpriority(2), NOTES).
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10);
    }
}
