//! File locks that another copy of SQLite in the same process cannot release.
//!
//! SQLite takes POSIX record locks. These belong to the process, and the process loses all of its locks on a file as soon
//! as it closes *any* descriptor of that file. Python's own `sqlite3`, DuckDB and pandas bring further copies of SQLite,
//! which know nothing of ours: one that opens and closes the database releases the locks of ours, after which other
//! programs delete the write-ahead log that we still write to, and acknowledged rows vanish.
//!
//! Here our copy is told to use open-file-description locks. They belong to the descriptor that took them, and they
//! conflict with the POSIX locks of every process, our own included. Five system calls of SQLite are replaced:
//!
//! - `fcntl` takes these locks instead of POSIX ones;
//! - `fstat` reports another device for every descriptor. SQLite shares its knowledge of locks among the connections of a
//!   process that have the same file open; as each connection now locks for itself, each must keep its own;
//! - `close` keeps a descriptor open as long as something else in the process has the file open, because closing it
//!   would release the POSIX locks that another copy may hold. Meanwhile the lock on the *pending* byte, without which
//!   nobody can begin to use the database, keeps others from taking the first one;
//! - `mmap` keeps the shared memory of the log, which counts as a use of its file, out of forked children.
//!
//! A forked child shares its parent's descriptions, thus their locks: it could release them, and would keep them when the
//! parent dies. So every descriptor that has ever been locked is replaced by `/dev/null` in the child, and the global
//! mutexes of SQLite are held across the fork, so that no thread that the child lacks holds one. Connections of the parent
//! must not be used or dropped in the child (`Pool` sees to that).

use std::ffi::{CStr, c_int, c_void};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::ffi;

/// Makes our copy of SQLite lock as described above, from the first connection on; nothing happens where the system has no
/// such locks.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if !supported() {
            return;
        }
        // SAFETY: the VFS is found after initialisation and lives for ever. The functions have the signatures with which
        // SQLite calls them. No connection exists yet: `SqliteConnection::open` is the only way to one, and calls this.
        unsafe {
            ffi::sqlite3_initialize();
            let vfs = ffi::sqlite3_vfs_find(std::ptr::null());
            let Some(set) = vfs.as_ref().and_then(|vfs| vfs.xSetSystemCall) else { return };
            let replace = |name: &CStr, function: *const c_void| {
                set(vfs, name.as_ptr(), std::mem::transmute::<*const c_void, ffi::sqlite3_syscall_ptr>(function));
            };
            replace(c"fcntl", control as *const c_void);
            replace(c"fstat", status as *const c_void);
            replace(c"close", close as *const c_void);
            replace(c"mmap", map as *const c_void);
            libc::pthread_atfork(Some(before_fork), Some(after_fork), Some(in_child));
        }
    });
}

/// True if the system has open-file-description locks: some sandboxes do not.
fn supported() -> bool {
    // SAFETY: a descriptor of our own, which is closed again.
    unsafe {
        let file = libc::memfd_create(c"lodestore-locks".as_ptr(), libc::MFD_CLOEXEC);
        if file < 0 {
            return false;
        }
        let mut lock = whole_file();
        let works = libc::fcntl(file, libc::F_OFD_SETLK, &mut lock) == 0;
        libc::close(file);
        works
    }
}

fn whole_file() -> libc::flock {
    // SAFETY: a plain structure of numbers.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as _;
    lock.l_whence = libc::SEEK_SET as _;
    lock
}

/// A set of descriptors, which may be read and changed in a signal handler and after a fork.
struct Descriptors([AtomicU64; Descriptors::WORDS]);

impl Descriptors {
    /// Enough for 65,536 descriptors. Those above are not followed into children and not kept open.
    const WORDS: usize = 1024;

    const fn new() -> Self {
        Descriptors([const { AtomicU64::new(0) }; Descriptors::WORDS])
    }

    fn place(&self, descriptor: c_int) -> Option<(&AtomicU64, u64)> {
        let word = self.0.get(usize::try_from(descriptor).ok()? / 64)?;
        Some((word, 1 << (descriptor % 64)))
    }

    fn insert(&self, descriptor: c_int) {
        if let Some((word, bit)) = self.place(descriptor)
            && word.load(Ordering::Relaxed) & bit == 0
        {
            word.fetch_or(bit, Ordering::AcqRel);
        }
    }

    /// True if it was in the set; of several threads one is told so.
    fn remove(&self, descriptor: c_int) -> bool {
        self.place(descriptor).is_some_and(|(word, bit)| word.fetch_and(!bit, Ordering::AcqRel) & bit != 0)
    }

    fn contains(&self, descriptor: c_int) -> bool {
        self.place(descriptor).is_some_and(|(word, bit)| word.load(Ordering::Acquire) & bit != 0)
    }

    fn each(&self, mut visit: impl FnMut(c_int)) {
        for (index, word) in self.0.iter().enumerate() {
            let mut bits = word.load(Ordering::Acquire);
            while bits != 0 {
                visit(index as c_int * 64 + bits.trailing_zeros() as c_int);
                bits &= bits - 1;
            }
        }
    }
}

/// Descriptors that SQLite has locked.
static LOCKED: Descriptors = Descriptors::new();

/// Those of them that belong to the shared memory of a write-ahead log.
static MEMORY: Descriptors = Descriptors::new();

/// Descriptors that SQLite has closed and that are still open.
static KEPT: Descriptors = Descriptors::new();

/// The byte of a database that one must lock for reading before one can lock the database itself.
const PENDING: libc::off_t = 0x4000_0000;

/// How often the pending byte is tried, a millisecond apart: others have it for a moment only.
const ATTEMPTS: u32 = 50;

/// `fcntl`. SQLite calls it with a third argument of any kind; on Linux such arguments travel as named ones do.
unsafe extern "C" fn control(descriptor: c_int, command: c_int, argument: *mut c_void) -> c_int {
    let command = match command {
        libc::F_SETLK => libc::F_OFD_SETLK,
        libc::F_SETLKW => libc::F_OFD_SETLKW,
        libc::F_GETLK => libc::F_OFD_GETLK,
        // SAFETY: passed on as it came.
        other => return unsafe { libc::fcntl(descriptor, other, argument) },
    };
    LOCKED.insert(descriptor);
    // SAFETY: the argument of these commands points to a lock. Its process must be 0, and SQLite does not set it.
    unsafe {
        let lock = argument.cast::<libc::flock>();
        (*lock).l_pid = 0;
        if (*lock).l_len != 0 && (*lock).l_start < PENDING {
            MEMORY.insert(descriptor);
        }
        libc::fcntl(descriptor, command, lock)
    }
}

/// `fstat`, with a device that is the descriptor's own: the upper half of a device's number is 0 otherwise.
unsafe extern "C" fn status(descriptor: c_int, found: *mut libc::stat) -> c_int {
    // SAFETY: passed on as it came, and filled in when the call succeeds.
    unsafe {
        let outcome = libc::fstat(descriptor, found);
        if outcome == 0 {
            (*found).st_dev ^= (descriptor as libc::dev_t + 1) << 32;
        }
        outcome
    }
}

/// `mmap`.
unsafe extern "C" fn map(
    place: *mut c_void,
    length: usize,
    protection: c_int,
    flags: c_int,
    descriptor: c_int,
    offset: libc::off_t,
) -> *mut c_void {
    // SAFETY: passed on as it came; what was mapped may be kept out of children.
    unsafe {
        let mapped = libc::mmap(place, length, protection, flags, descriptor, offset);
        if mapped != libc::MAP_FAILED && LOCKED.contains(descriptor) {
            libc::madvise(mapped, length, libc::MADV_DONTFORK);
        }
        mapped
    }
}

/// `close`.
unsafe extern "C" fn close(descriptor: c_int) -> c_int {
    if !LOCKED.contains(descriptor) {
        // SAFETY: a descriptor that SQLite closes is open.
        return unsafe { libc::close(descriptor) };
    }
    // Its own locks go in any case.
    set_lock(descriptor, libc::F_UNLCK, 0, 0);
    // Whoever locks the shared memory has locked the database: it is closed with that, which SQLite closes next.
    if MEMORY.contains(descriptor) || !close_database(descriptor) {
        KEPT.insert(descriptor);
    }
    0
}

/// Closes a database that SQLite is done with, and what else was kept of it; false if it must stay open, because
/// something else in this process has it open.
fn close_database(database: c_int) -> bool {
    let mut attempts = 0;
    while !set_lock(database, libc::F_WRLCK, PENDING, 1) {
        // A file that may only be read has no locks that are worth much.
        if !matches!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) {
            break;
        }
        attempts += 1;
        if attempts == ATTEMPTS {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let path = path_of(database);
    let memory = path.as_ref().map(|path| format!("{path}-shm"));
    let mut related = Vec::new();
    KEPT.each(|kept| {
        let other = path_of(kept);
        if other.is_some() && (other == path || other == memory) {
            related.push(kept);
        }
    });
    let files: Vec<(u64, u64)> =
        related.iter().chain([&database]).filter_map(|descriptor| identity(*descriptor)).collect();
    if are_open_elsewhere(&files) {
        set_lock(database, libc::F_UNLCK, PENDING, 1);
        return false;
    }
    related.retain(|kept| KEPT.remove(*kept));
    // The database comes last: its lock keeps others out until then.
    for descriptor in related.into_iter().chain([database]) {
        LOCKED.remove(descriptor);
        MEMORY.remove(descriptor);
        // SAFETY: a descriptor of ours that nobody else uses: of several threads one removed it.
        unsafe { libc::close(descriptor) };
    }
    true
}

/// Changes a lock of a descriptor; false if that is not possible.
fn set_lock(descriptor: c_int, kind: c_int, start: libc::off_t, length: libc::off_t) -> bool {
    let mut lock = whole_file();
    (lock.l_type, lock.l_start, lock.l_len) = (kind as _, start, length);
    // SAFETY: the lock outlives the call.
    unsafe { libc::fcntl(descriptor, libc::F_OFD_SETLK, &mut lock) == 0 }
}

/// The name under which a file was opened, or which it had when it was deleted.
fn path_of(descriptor: c_int) -> Option<String> {
    let path = std::fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()?.into_os_string().into_string().ok()?;
    Some(path.strip_suffix(" (deleted)").map(str::to_owned).unwrap_or(path))
}

/// Device and number of a file.
fn identity(descriptor: c_int) -> Option<(u64, u64)> {
    // SAFETY: a plain structure of numbers, filled in by the call.
    unsafe {
        let mut found: libc::stat = std::mem::zeroed();
        (libc::fstat(descriptor, &mut found) == 0).then_some((found.st_dev, found.st_ino))
    }
}

/// True if a descriptor that is not ours has one of the files open; also if that cannot be known.
fn are_open_elsewhere(files: &[(u64, u64)]) -> bool {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return true };
    let numbers = open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .filter(|number| !LOCKED.contains(*number))
        .any(|number| identity(number).is_some_and(|file| files.contains(&file)))
}

/// The static mutexes of SQLite that its threads hold for a moment, in the order in which they are taken.
const MUTEXES: [c_int; 6] = [
    ffi::SQLITE_MUTEX_STATIC_MAIN,
    ffi::SQLITE_MUTEX_STATIC_VFS1,
    ffi::SQLITE_MUTEX_STATIC_LRU,
    ffi::SQLITE_MUTEX_STATIC_PMEM,
    ffi::SQLITE_MUTEX_STATIC_PRNG,
    ffi::SQLITE_MUTEX_STATIC_MEM,
];

unsafe extern "C" fn before_fork() {
    for mutex in MUTEXES {
        // SAFETY: static mutexes exist from the initialisation on, which came first.
        unsafe { ffi::sqlite3_mutex_enter(ffi::sqlite3_mutex_alloc(mutex)) };
    }
}

unsafe extern "C" fn after_fork() {
    for mutex in MUTEXES.into_iter().rev() {
        // SAFETY: `before_fork` took them on this thread.
        unsafe { ffi::sqlite3_mutex_leave(ffi::sqlite3_mutex_alloc(mutex)) };
    }
}

unsafe extern "C" fn in_child() {
    // SAFETY: only calls that are allowed after a fork. The numbers stay taken, so that whoever still used one would not
    // reach a file that was opened later.
    unsafe {
        let nothing = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        if nothing >= 0 {
            LOCKED.each(|descriptor| {
                libc::dup3(nothing, descriptor, libc::O_CLOEXEC);
            });
            libc::close(nothing);
        }
        after_fork();
    }
}
