//! Cancels, timeouts and unwinding around file operations.

use corobin::fs::{self, File, OpenOptions};
use corobin::{
    Elapsed, JoinError, Runtime, is_cancel, race, run, scope, sleep, spawn, timeout, yield_now,
};
use std::cell::{Cell, RefCell};
use std::io::{Read, Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

#[path = "common/temp_dir.rs"]
mod temp_dir;
use temp_dir::TempDir;

fn fifo(dir: &TempDir) -> PathBuf {
    let path = dir.join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    path
}

#[test]
fn a_blocking_open_holds_up_nobody_and_its_cancel_waits() {
    let dir = TempDir::new();
    let path = fifo(&dir);
    run(|| {
        let opened = Rc::new(Cell::new(false));
        let reader = spawn({
            let (path, opened) = (path.clone(), Rc::clone(&opened));
            move || {
                let mut file = File::open(path).unwrap();
                opened.set(true);
                // The open took effect and gave its value; the cancel is met here.
                let read = file.read(&mut [0]);
                panic!("not cancelled: {read:?}");
            }
        });
        for _ in 0..100 {
            yield_now();
        }
        reader.cancel();
        sleep(Duration::from_millis(1));
        assert!(!reader.is_finished() && !opened.get());
        let writer = OpenOptions::new().write(true).open(&path).unwrap();
        assert!(matches!(reader.join(), Err(JoinError::Cancelled)));
        assert!(opened.get());
        drop(writer);
    });
}

#[test]
fn a_pending_cancel_is_met_before_anything_is_done() {
    let dir = TempDir::new();
    let path = dir.join("file");
    std::fs::write(&path, "abc").unwrap();
    type Operation = (&'static str, fn(&Path, &mut File));
    let operations: &[Operation] = &[
        ("open", |path, _| drop(File::open(path))),
        ("create", |path, _| drop(File::create(path))),
        ("write", |path, _| drop(fs::write(path, ""))),
        ("remove_file", |path, _| drop(fs::remove_file(path))),
        ("rename", |path, _| {
            drop(fs::rename(path, path.with_extension("new")))
        }),
        ("metadata", |path, _| drop(fs::metadata(path))),
        ("File::read", |_, file| drop(file.read(&mut [0]))),
        ("File::read_exact", |_, file| {
            drop(file.read_exact(&mut [0]))
        }),
        ("File::read_to_end", |_, file| {
            drop(file.read_to_end(&mut vec![]))
        }),
        ("File::write", |_, file| drop(file.write(b"x"))),
        ("File::seek", |_, file| {
            drop(file.seek(std::io::SeekFrom::End(0)))
        }),
        ("File::set_len", |_, file| drop(file.set_len(0))),
    ];
    run(|| {
        let mut file = File::options().read(true).write(true).open(&path).unwrap();
        for (name, operation) in operations {
            let result = timeout(Duration::ZERO, || operation(&path, &mut file));
            assert_eq!(result, Err(Elapsed), "{name}");
            assert_eq!(file.stream_position().unwrap(), 0, "{name}");
            assert_eq!(std::fs::read(&path).unwrap(), b"abc", "{name}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    });
}

/// Readers of one file are cancelled at random; what they have put down before,
/// and what a last one reads, is the whole file.
#[test]
fn cancelled_readers_lose_no_byte() {
    let dir = TempDir::new();
    let path = dir.join("bytes");
    let mut random = fastrand::Rng::with_seed(5);
    let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
        .take(60_000)
        .collect();
    std::fs::write(&path, &bytes).unwrap();
    let read_on = |file: &File, got: &RefCell<Vec<u8>>, size: usize| {
        let mut file = file;
        let mut buf = vec![0; size];
        loop {
            let read = file.read(&mut buf).unwrap();
            got.borrow_mut().extend(&buf[..read]);
            if read == 0 {
                return;
            }
        }
    };
    let cancelled = Cell::new(0);
    run(|| {
        let file = File::open(&path).unwrap();
        let got = RefCell::new(Vec::new());
        for _ in 0..200 {
            let size = random.usize(1..300);
            let turns = random.u32(0..20);
            scope(|s| {
                let reader = s.spawn(|| read_on(&file, &got, size));
                for _ in 0..turns {
                    yield_now();
                }
                reader.cancel();
                if let Err(JoinError::Cancelled) = reader.join() {
                    cancelled.set(cancelled.get() + 1);
                }
            });
            assert_eq!(
                file.try_clone().unwrap().stream_position().unwrap(),
                got.borrow().len() as u64
            );
        }
        read_on(&file, &got, 4096);
        assert!(*got.borrow() == bytes);
    });
    // Those that had no turn at all, at least.
    assert!(cancelled.get() > 0, "the test cancels too rarely");
}

#[test]
fn cancelled_writers_write_what_they_say() {
    let dir = TempDir::new();
    let path = dir.join("bytes");
    let mut random = fastrand::Rng::with_seed(6);
    run(|| {
        let file = File::create(&path).unwrap();
        let written = RefCell::new(Vec::new());
        for n in 0..100_u8 {
            let turns = random.u32(0..8);
            scope(|s| {
                let writer = s.spawn(|| {
                    loop {
                        (&file).write_all(&[n; 10]).unwrap();
                        written.borrow_mut().extend([n; 10]);
                    }
                });
                for _ in 0..turns {
                    yield_now();
                }
                writer.cancel();
            });
        }
        assert!(std::fs::read(&path).unwrap() == *written.borrow());
    });
}

#[test]
fn destructors_may_use_files_while_they_are_unwound() {
    struct Mark(PathBuf);
    impl Drop for Mark {
        fn drop(&mut self) {
            let mut file = File::create(&self.0).unwrap();
            file.write_all(b"unwound").unwrap();
        }
    }
    let dir = TempDir::new();
    let path = dir.join("mark");
    run(|| {
        let worker = spawn({
            let path = path.clone();
            move || {
                let _mark = Mark(path);
                corobin::park();
            }
        });
        yield_now();
        worker.cancel();
        worker.join().unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "unwound");
    });
}

#[test]
fn a_listing_can_be_left_at_any_entry() {
    let dir = TempDir::new();
    for n in 0..500 {
        std::fs::write(dir.join(&n.to_string()), "").unwrap();
    }
    run(|| {
        for stop in [0, 1, 127, 128, 129, 300] {
            let mut entries = fs::read_dir(dir.path()).unwrap();
            assert_eq!(entries.by_ref().take(stop).count(), stop);
            // A step that was cancelled has taken nothing.
            let cut = timeout(Duration::ZERO, || {
                entries.by_ref().for_each(drop);
                unreachable!("500 entries are more than one batch");
            });
            if stop < 257 {
                assert_eq!(cut, Err::<(), _>(Elapsed));
            }
            assert!(entries.by_ref().count() + stop <= 500);
        }
    });
}

#[test]
fn the_first_of_two_wins_and_the_other_is_waited_for() {
    let dir = TempDir::new();
    let path = fifo(&dir);
    run(|| {
        let arms: [Box<dyn FnOnce() -> &'static str>; 2] = [
            Box::new(|| {
                let file = File::open(&path);
                yield_now();
                drop(file);
                "opened"
            }),
            Box::new(|| {
                // While the other waits for this one.
                OpenOptions::new().write(true).open(&path).unwrap();
                "wrote"
            }),
        ];
        let first = race(Vec::from(arms));
        assert!(["opened", "wrote"].contains(&first));
    });
}

#[test]
fn a_run_that_ends_waits_for_calls_under_way() {
    let dir = TempDir::new();
    let path = dir.join("file");
    let content = vec![1; 1 << 20];
    run(|| {
        spawn({
            let (path, content) = (path.clone(), content.clone());
            move || fs::write(path, content).unwrap()
        });
        yield_now();
    });
    assert!(std::fs::read(&path).unwrap() == content);
}

#[test]
fn the_cancel_of_a_caught_unwinding_is_corobins() {
    let mut runtime = Runtime::new().unwrap();
    runtime.run(|| {
        let caught = spawn(|| {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                loop {
                    fs::metadata("/").unwrap();
                }
            }));
            is_cancel(&caught.unwrap_err())
        });
        yield_now();
        caught.cancel();
        assert!(caught.join().unwrap());
    });
}
