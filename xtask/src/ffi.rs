//! Every call into C: the embedded ClickHouse, signals, and children that die with us.
//!
//! All `unsafe` of this crate is here; each block says why it is sound.

use anyhow::{Context, Result, bail};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::path::Path;
use std::process::Command;

/// SIGINT and SIGTERM, blocked in the calling thread and every thread that it starts later.
///
/// Block before the first thread starts and before the library is loaded: ClickHouse would
/// install handlers of its own and die by the signal without a clean stop.
pub struct StopSignals(libc::sigset_t);

impl StopSignals {
    /// Blocks the two signals from now on.
    pub fn block() -> Result<Self> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set that the later calls read; all pointers are to
        // live locals.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            let mut set = set.assume_init();
            libc::sigaddset(&mut set, libc::SIGINT);
            libc::sigaddset(&mut set, libc::SIGTERM);
            if libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) != 0 {
                bail!("cannot block signals");
            }
            Ok(Self(set))
        }
    }

    /// Waits until one of them arrives.
    pub fn wait(&self) {
        let mut signal: c_int = 0;
        // SAFETY: both pointers are to live values; sigwait only reads the set.
        while unsafe { libc::sigwait(&self.0, &mut signal) } != 0 {}
    }
}

/// Loads the library and runs clickhouse-local with these arguments until it returns.
pub fn run_clickhouse_local(library: &Path, args: &[String]) -> Result<()> {
    type Run = unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut c_void;
    type Error = unsafe extern "C" fn(*mut c_void) -> *const c_char;

    let words = args
        .iter()
        .map(|word| CString::new(word.as_str()))
        .collect::<Result<Vec<_>, _>>()
        .context("an argument for ClickHouse holds a zero byte")?;
    let mut argv: Vec<*mut c_char> = words.iter().map(|word| word.as_ptr().cast_mut()).collect();
    let count = c_int::try_from(argv.len()).context("too many arguments for ClickHouse")?;
    argv.push(std::ptr::null_mut());

    // SAFETY: the library is the pinned chdb package, whose initialisers expect nothing of us.
    // Signatures as in chdb.h 3.4: `chdb_result *chdb_query_cmdline(int argc, char **argv)` and
    // `const char *chdb_result_error(chdb_result *)`. `words` outlives the call; the result is
    // read before anything is freed, and the library stays loaded until the process ends, as its
    // threads do.
    unsafe {
        let library = std::mem::ManuallyDrop::new(
            libloading::Library::new(library)
                .with_context(|| format!("cannot load {}", library.display()))?,
        );
        let run: libloading::Symbol<Run> = library.get(b"chdb_query_cmdline\0")?;
        let error: libloading::Symbol<Error> = library.get(b"chdb_result_error\0")?;
        let result = run(count, argv.as_mut_ptr());
        if result.is_null() {
            bail!("ClickHouse gave no result");
        }
        let message = error(result);
        if !message.is_null() {
            bail!("ClickHouse: {}", CStr::from_ptr(message).to_string_lossy());
        }
    }
    Ok(())
}

/// Ends the process at once, without running the library's destructors: they wait for threads
/// that never end.
pub fn exit_now(code: c_int) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Has the kernel end the child when we die, however we die (Linux; elsewhere only an orderly
/// stop ends it). Start such children from the main thread: the kernel watches the thread.
pub fn die_with_parent(command: &mut Command) -> &mut Command {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt;
        // SAFETY: between fork and exec only two system calls, both async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                Ok(())
            });
        }
    }
    command
}

/// Asks a child to stop.
pub fn terminate(pid: u32) {
    if let Ok(pid) = libc::pid_t::try_from(pid) {
        // SAFETY: kill has no memory preconditions; the pid is a child that is not yet waited for.
        unsafe { libc::kill(pid, libc::SIGTERM) };
    }
}
