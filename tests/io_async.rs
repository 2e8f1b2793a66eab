//! `Async`: any descriptor, used by coroutines.

use std::io::{ErrorKind, PipeReader, Read, Write, pipe};
use std::mem::forget;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

#[path = "common/backends.rs"]
mod backends;

use backends::backends;
use corobin::io::Async;
use corobin::{Elapsed, Runtime, gather, scope, sleep, spawn, timeout, yield_now};
use rustix::io::fcntl_dupfd_cloexec;

fn read_one(reader: &Async<PipeReader>, buf: &mut [u8]) -> usize {
    reader.read_with(|mut pipe| pipe.read(buf)).unwrap()
}

#[test]
fn a_read_waits_for_a_write() {
    for backend in backends() {
        let mut runtime = Runtime::builder().io_backend(backend).build().unwrap();
        let (reader, writer) = pipe().unwrap();
        let (mut reader, mut writer) = (Async::new(reader).unwrap(), Async::new(writer).unwrap());
        let got = runtime.run(|| {
            let read = spawn(move || {
                let mut all = String::new();
                reader.read_to_string(&mut all).unwrap();
                all
            });
            for word in ["one ", "two ", "three"] {
                yield_now();
                writer.write_all(word.as_bytes()).unwrap();
            }
            drop(writer);
            read.join().unwrap()
        });
        assert_eq!(got, "one two three");
    }
}

#[test]
fn a_full_pipe_makes_the_writer_wait_and_only_that() {
    for backend in backends() {
        let mut runtime = Runtime::builder().io_backend(backend).build().unwrap();
        let (reader, writer) = pipe().unwrap();
        let (mut reader, mut writer) = (Async::new(reader).unwrap(), Async::new(writer).unwrap());
        let all: Vec<u8> = (0..1_000_000u32).map(|n| n as u8).collect();
        let sent = all.clone();
        let got = runtime.run(|| {
            let write = spawn(move || writer.write_all(&sent));
            let mut got = Vec::new();
            reader.read_to_end(&mut got).unwrap();
            write.join().unwrap().unwrap();
            got
        });
        assert!(got == all);
    }
}

#[test]
fn two_readers_share_one_descriptor() {
    for backend in backends() {
        let mut runtime = Runtime::builder().io_backend(backend).build().unwrap();
        let (reader, mut writer) = pipe().unwrap();
        let reader = Async::new(reader).unwrap();
        runtime.run(|| {
            scope(|s| {
                let read = || {
                    let mut byte = [0];
                    assert_eq!(read_one(&reader, &mut byte), 1);
                    byte[0]
                };
                let readers = [s.spawn(read), s.spawn(read)];
                yield_now();
                writer.write_all(b"ab").unwrap();
                let mut got = readers.map(|reader| reader.join().unwrap());
                got.sort_unstable();
                assert_eq!(&got, b"ab");
            });
        });
    }
}

#[test]
fn readable_and_writable_tell_the_present_state() {
    for backend in backends() {
        let mut runtime = Runtime::builder().io_backend(backend).build().unwrap();
        let (reader, writer) = pipe().unwrap();
        let (reader, writer) = (Async::new(reader).unwrap(), Async::new(writer).unwrap());
        runtime.run(|| {
            let quick = Duration::from_millis(1);
            writer.writable().unwrap();
            assert_eq!(timeout(quick, || reader.readable().unwrap()), Err(Elapsed));
            writer.get_ref().write_all(b"x").unwrap();
            for _ in 0..3 {
                reader.readable().unwrap();
            }
            let mut byte = [0];
            assert_eq!(reader.get_ref().read(&mut byte).unwrap(), 1);
            assert_eq!(timeout(quick, || reader.readable().unwrap()), Err(Elapsed));
        });
    }
}

#[test]
fn a_cancelled_read_loses_nothing() {
    for backend in backends() {
        let mut runtime = Runtime::builder().io_backend(backend).build().unwrap();
        let (reader, writer) = pipe().unwrap();
        let (reader, mut writer) = (Async::new(reader).unwrap(), Async::new(writer).unwrap());
        runtime.run(|| {
            scope(|s| {
                let read = s.spawn(|| read_one(&reader, &mut [0; 8]));
                yield_now();
                writer.write_all(b"kept").unwrap();
                read.cancel();
                assert!(read.join().is_err());
            });
            let mut got = [0; 4];
            assert_eq!(read_one(&reader, &mut got), 4);
            assert_eq!(&got, b"kept");
        });
    }
}

#[test]
fn a_value_moves_from_one_runtime_to_the_next() {
    for backend in backends() {
        let (reader, writer) = pipe().unwrap();
        let (mut reader, mut writer) = (Async::new(reader).unwrap(), Async::new(writer).unwrap());
        let mut runtime = Runtime::builder().io_backend(backend).build().unwrap();
        for round in 0..5 {
            (reader, writer) = runtime.run(|| {
                let read = spawn(move || {
                    let mut byte = [0];
                    reader.read_exact(&mut byte).unwrap();
                    assert_eq!(byte[0], round);
                    reader
                });
                yield_now();
                writer.write_all(&[round]).unwrap();
                (read.join().unwrap(), writer)
            });
        }
    }
}

#[test]
fn outside_of_a_runtime_only_a_wait_panics() {
    let (reader, writer) = pipe().unwrap();
    let (mut reader, mut writer) = (Async::new(reader).unwrap(), Async::new(writer).unwrap());
    writer.write_all(b"x").unwrap();
    assert_eq!(reader.read(&mut [0]).unwrap(), 1);
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reader.read(&mut [0])));
    let text = *panic.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("corobin::run"), "{text}");
    drop(writer);
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

#[test]
fn two_adapters_of_one_descriptor() {
    for backend in backends() {
        let mut runtime = Runtime::builder().io_backend(backend).build().unwrap();
        let (reader, mut writer) = pipe().unwrap();
        runtime.run(|| {
            scope(|s| {
                let wait = || Async::new(&reader).unwrap().readable().unwrap();
                let waits = [s.spawn(wait), s.spawn(wait)];
                yield_now();
                writer.write_all(b"x").unwrap();
                waits.into_iter().for_each(|wait| wait.join().unwrap());
            });
            // The registration is gone, and can be made again.
            let again = Async::new(&reader).unwrap();
            assert_eq!(
                again.read_with(|&(mut pipe)| pipe.read(&mut [0])).unwrap(),
                1
            );
            assert_eq!(
                timeout(Duration::from_millis(1), || again.readable().unwrap()),
                Err(Elapsed)
            );
        });
    }
}

#[test]
fn a_thread_wakes_a_loop_that_waits_for_descriptors() {
    for backend in backends() {
        let mut runtime = Runtime::builder().io_backend(backend).build().unwrap();
        let (reader, writer) = pipe().unwrap();
        let mut reader = Async::new(reader).unwrap();
        runtime.run(|| {
            let read = spawn(move || reader.read(&mut [0]).unwrap());
            yield_now();
            for _ in 0..100 {
                corobin::to_thread(|| std::thread::sleep(Duration::from_micros(50)));
            }
            let handle = corobin::handle();
            let remote = std::thread::spawn(move || handle.spawn(|| 7).join().unwrap());
            assert_eq!(corobin::to_thread(|| remote.join().unwrap()), 7);
            drop(writer);
            assert_eq!(read.join().unwrap(), 0);
        });
    }
}

#[test]
fn a_wait_for_a_descriptor_is_no_deadlock() {
    for backend in backends() {
        for on in [false, true] {
            let (reader, mut writer) = pipe().unwrap();
            let mut reader = Async::new(reader).unwrap();
            let late = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                writer.write_all(b"x").unwrap();
            });
            let mut runtime = Runtime::builder()
                .io_backend(backend)
                .virtual_time(on)
                .build()
                .unwrap();
            assert_eq!(runtime.run(|| reader.read(&mut [0]).unwrap()), 1);
            late.join().unwrap();
        }
    }
}

#[test]
fn descriptors_do_not_hold_virtual_time() {
    for backend in backends() {
        let (reader, _writer) = pipe().unwrap();
        let mut reader = Async::new(reader).unwrap();
        let mut runtime = Runtime::builder()
            .io_backend(backend)
            .virtual_time(true)
            .build()
            .unwrap();
        runtime.run(|| {
            let day = Duration::from_secs(24 * 60 * 60);
            assert_eq!(
                timeout(day, || reader.read(&mut [0]).unwrap()),
                Err(Elapsed)
            );
            sleep(day);
        });
    }
}

#[test]
fn a_busy_loop_does_not_starve_a_reader_nor_a_flood_the_others() {
    for backend in backends() {
        let mut runtime = Runtime::builder().io_backend(backend).build().unwrap();
        let (reader, writer) = pipe().unwrap();
        let (mut reader, mut writer) = (Async::new(reader).unwrap(), Async::new(writer).unwrap());
        let zero = std::fs::File::open("/dev/zero").unwrap();
        let mut zero = Async::new(zero).unwrap();
        runtime.run(|| {
            // Never has to wait.
            let flood = spawn(move || {
                loop {
                    zero.read_exact(&mut [0; 16]).unwrap();
                }
            });
            let busy = spawn(|| {
                loop {
                    yield_now();
                }
            });
            let read = spawn(move || reader.read(&mut [0]).unwrap());
            let write = spawn(move || writer.write(b"x").unwrap());
            assert_eq!(gather([read, write]).unwrap(), [1, 1]);
            flood.cancel();
            busy.cancel();
        });
    }
}

#[test]
fn errors_of_the_operation_pass_through() {
    let (reader, mut writer) = pipe().unwrap();
    drop(reader);
    let error = Async::new(&mut writer)
        .map(|writer| writer.write_with(|_| Err::<(), _>(std::io::Error::other("mine"))));
    assert_eq!(error.unwrap().unwrap_err().kind(), ErrorKind::Other);
}

/// As a C library does that closes its own socket and opens another, which gets the same number.
#[test]
fn a_descriptor_closed_by_others_does_not_spoil_the_next_of_its_number() {
    /// Where no other test has any.
    const NUMBER: i32 = 200;
    for backend in backends() {
        let mut runtime = Runtime::builder().io_backend(backend).build().unwrap();
        runtime.run(|| {
            let (reader, _writer) = pipe().unwrap();
            let first = fcntl_dupfd_cloexec(&reader, NUMBER).unwrap();
            assert_eq!(first.as_raw_fd(), NUMBER);
            let lent = Async::new(first.as_fd()).unwrap();
            assert!(timeout(Duration::from_millis(1), || lent.readable()).is_err());
            forget(lent);
            drop(first);
            let (other, mut other_writer) = pipe().unwrap();
            let second = fcntl_dupfd_cloexec(&other, NUMBER).unwrap();
            assert_eq!(second.as_raw_fd(), NUMBER);
            let mut second = Async::new(PipeReader::from(second)).unwrap();
            let read = spawn(move || {
                let mut buf = [0; 3];
                second.read_exact(&mut buf).unwrap();
                buf
            });
            yield_now();
            other_writer.write_all(b"two").unwrap();
            let got = timeout(Duration::from_secs(60), || read.join().unwrap());
            assert_eq!(got.as_ref().ok(), Some(b"two"));
        });
    }
}
