//! Open files: the cursor, against a file of std as the model; sharing; locks.

use corobin::fs::{self, File, TryLockError};
use corobin::{run, spawn, yield_now};
use std::cell::Cell;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;

#[path = "common/temp_dir.rs"]
mod temp_dir;
use temp_dir::TempDir;

/// One on a disk, where cached reads go without a thread, and one in memory,
/// which has no such reads.
fn places() -> Vec<TempDir> {
    let mut places = vec![TempDir::new()];
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        places.push(TempDir::below(memory));
    }
    places
}

/// What a call gave, in a form that can be compared.
fn outcome<T>(result: std::io::Result<T>) -> Result<T, ErrorKind> {
    result.map_err(|error| error.kind())
}

/// One random operation, the same on both; their results must be equal.
fn step(random: &mut fastrand::Rng, ours: &mut File, model: &mut std::fs::File) {
    let length = random.usize(0..3000);
    let offset = random.u64(0..20_000);
    let (mut a, mut b) = (vec![0; length], vec![0; length]);
    match random.u32(0..12) {
        0 => assert_eq!(outcome(ours.read(&mut a)), outcome(model.read(&mut b))),
        1 => {
            let (x, y) = (ours.read_exact(&mut a), model.read_exact(&mut b));
            let failed = x.is_err();
            assert_eq!(outcome(x), outcome(y));
            if failed {
                // Where the cursor is then is not said.
                let end = SeekFrom::End(0);
                assert_eq!(ours.seek(end).unwrap(), model.seek(end).unwrap());
                return;
            }
        }
        2 => assert_eq!(
            outcome(ours.read_at(&mut a, offset)),
            outcome(model.read_at(&mut b, offset))
        ),
        3 => assert_eq!(
            outcome(ours.read_exact_at(&mut a, offset)),
            outcome(model.read_exact_at(&mut b, offset))
        ),
        4 | 5 => {
            random.fill(&mut a);
            assert_eq!(outcome(ours.write(&a)), outcome(model.write(&a)));
        }
        6 => {
            random.fill(&mut a);
            ours.write_all_at(&a, offset).unwrap();
            model.write_all_at(&a, offset).unwrap();
        }
        7 => {
            let to = match random.u32(0..3) {
                0 => SeekFrom::Start(offset),
                1 => SeekFrom::Current(random.i64(-9000..9000)),
                _ => SeekFrom::End(random.i64(-9000..500)),
            };
            assert_eq!(outcome(ours.seek(to)), outcome(model.seek(to)));
        }
        8 => {
            ours.set_len(offset).unwrap();
            model.set_len(offset).unwrap();
        }
        9 => {
            let (mut x, mut y) = (vec![1], vec![1]);
            assert_eq!(
                ours.read_to_end(&mut x).unwrap(),
                model.read_to_end(&mut y).unwrap()
            );
            assert_eq!(x, y);
        }
        10 => {
            let (mut c, mut d) = ([0; 100], [0; 100]);
            let x = &mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut c)];
            let y = &mut [IoSliceMut::new(&mut b), IoSliceMut::new(&mut d)];
            assert_eq!(
                ours.read_vectored(x).unwrap(),
                model.read_vectored(y).unwrap()
            );
            assert_eq!(c, d);
        }
        _ => {
            random.fill(&mut a);
            let slices = &[IoSlice::new(&a), IoSlice::new(b"tail")];
            let (x, y) = (ours.write_vectored(slices), model.write_vectored(slices));
            assert_eq!(x.unwrap(), y.unwrap());
        }
    }
    if a.len() == b.len() && random.bool() {
        assert_eq!(
            ours.stream_position().unwrap(),
            model.stream_position().unwrap()
        );
    }
}

#[test]
fn random_operations_do_what_they_do_with_std() {
    for dir in places() {
        for seed in 0..6 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (x, y) = (dir.join("ours"), dir.join("model"));
            let mut model = std::fs::File::options();
            let model = model.read(true).write(true).create(true).truncate(true);
            let mut model = model.open(&y).unwrap();
            run(|| {
                let mut ours = File::options();
                let ours = ours.read(true).write(true).create(true).truncate(true);
                let mut ours = ours.open(&x).unwrap();
                for _ in 0..300 {
                    step(&mut random, &mut ours, &mut model);
                }
            });
            assert!(std::fs::read(x).unwrap() == std::fs::read(y).unwrap());
        }
    }
}

#[test]
fn clones_share_the_cursor_and_the_reads_of_many_never_overlap() {
    for dir in places() {
        let path = dir.join("numbers");
        let numbers: Vec<u8> = (0..4000_u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(&path, &numbers).unwrap();
        run(|| {
            let first = File::open(&path).unwrap();
            let readers: Vec<_> = (0..8)
                .map(|_| first.try_clone().unwrap())
                .map(|mut file| {
                    spawn(move || {
                        let mut seen = Vec::new();
                        let mut number = [0; 4];
                        while file.read(&mut number).unwrap() == 4 {
                            seen.push(u32::from_le_bytes(number));
                        }
                        seen
                    })
                })
                .collect();
            let mut all: Vec<_> = readers
                .into_iter()
                .flat_map(|reader| reader.join().unwrap())
                .collect();
            all.sort_unstable();
            assert_eq!(all, (0..4000).collect::<Vec<_>>());
        });
    }
}

#[test]
fn reads_that_never_wait_starve_nobody() {
    let dir = TempDir::new();
    let path = dir.join("bytes");
    std::fs::write(&path, [7; 1000]).unwrap();
    run(|| {
        let turns = Rc::new(Cell::new(0));
        let counter = spawn({
            let turns = Rc::clone(&turns);
            move || {
                loop {
                    turns.set(turns.get() + 1);
                    yield_now();
                }
            }
        });
        let mut file = File::open(&path).unwrap();
        let before = turns.get();
        for _ in 0..1000 {
            file.read_exact(&mut [0]).unwrap();
        }
        assert!(turns.get() >= before + 1000);
        counter.cancel();
    });
}

#[test]
fn offsets_beyond_a_file_are_refused_as_by_std() {
    let dir = TempDir::new();
    let path = dir.join("file");
    std::fs::write(&path, "abc").unwrap();
    let stds = std::fs::File::open(&path).unwrap();
    run(|| {
        let ours = File::open(&path).unwrap();
        for offset in [u64::MAX, u64::MAX - 1, i64::MAX as u64, 1 << 63] {
            let x = outcome(ours.read_at(&mut [0; 2], offset));
            assert_eq!(x, outcome(stds.read_at(&mut [0; 2], offset)), "at {offset}");
            let x = outcome(ours.read_exact_at(&mut [0; 2], offset));
            assert_eq!(x, outcome(stds.read_exact_at(&mut [0; 2], offset)));
        }
        // None of them has moved the cursor.
        assert_eq!((&ours).stream_position().unwrap(), 0);
    });
}

#[test]
fn conversions_keep_the_open_file() {
    fn is_send_and_sync<T: Send + Sync + AsFd>(_: &T) {}
    let dir = TempDir::new();
    let path = dir.join("file");
    std::fs::write(&path, "abcdef").unwrap();
    run(|| {
        let mut file = File::open(&path).unwrap();
        is_send_and_sync(&file);
        let fd = file.as_raw_fd();
        let mut byte = [0];
        file.read_exact(&mut byte).unwrap();
        let mut stds: std::fs::File = file.into();
        stds.read_exact(&mut byte).unwrap();
        let mut file = File::from(stds);
        file.read_exact(&mut byte).unwrap();
        let mut file = File::from(OwnedFd::from(file));
        file.read_exact(&mut byte).unwrap();
        assert_eq!((&byte, file.as_raw_fd()), (b"d", fd));
        assert_eq!(file.into_raw_fd(), fd);
    });
}

#[test]
fn locks_keep_others_off() {
    let dir = TempDir::new();
    let path = dir.join("lock");
    std::fs::write(&path, "").unwrap();
    run(|| {
        let mine = File::open(&path).unwrap();
        mine.lock().unwrap();
        let other = File::open(&path).unwrap();
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        assert!(matches!(
            other.try_lock_shared(),
            Err(TryLockError::WouldBlock)
        ));
        let waiter = spawn(move || other.lock_shared().map(|()| other));
        yield_now();
        assert!(!waiter.is_finished());
        // Others go on while one waits for the lock.
        fs::write(dir.join("else"), "x").unwrap();
        mine.unlock().unwrap();
        let other = waiter.join().unwrap().unwrap();
        mine.try_lock_shared().unwrap();
        drop(other);
    });
}

#[test]
fn a_read_of_a_pipe_gives_what_is_there() {
    use std::io::{Read, Write};
    corobin::run(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut file = corobin::fs::File::from(std::os::fd::OwnedFd::from(reader));
        writer.write_all(b"hello").unwrap();
        let mut buf = [0; 64];
        // The writer is open still, so a read of all 64 would wait for ever.
        assert_eq!(file.read(&mut buf).unwrap(), 5);
        let (one, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut file = corobin::fs::File::from(std::os::fd::OwnedFd::from(one));
        other.write_all(b"hi").unwrap();
        assert_eq!(file.read(&mut buf).unwrap(), 2);
    });
}

#[test]
fn formatted_text_is_written_whole_or_not_at_all() {
    struct Fails;
    impl std::fmt::Display for Fails {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }
    let dir = TempDir::new();
    let path = dir.path().join("text");
    run(|| {
        let mut file = File::create(&path).unwrap();
        writeln!(file, "{} and {}", 1, 2).unwrap();
        assert!(write!(file, "never {Fails}").is_err());
        write!(&file, "{:>4}", 3).unwrap();
    });
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "1 and 2\n   3");
}

/// What is no file on a disk may give messages, and a read takes one.
#[test]
fn a_read_takes_one_message() {
    use std::os::unix::net::UnixDatagram;
    run(|| {
        let (ours, other) = UnixDatagram::pair().unwrap();
        other.send(b"one").unwrap();
        other.send(b"two").unwrap();
        let mut file = File::from(OwnedFd::from(ours));
        let mut buf = [0; 64];
        assert_eq!(file.read(&mut buf).unwrap(), 3);
        assert_eq!(&buf[..3], b"one");
    });
}
