//! 10 · Five usual asyncio programs, one to one.
//!
//! Beside this file lie the programs in Python, and what CPython 3.11 printed for each. Here they are
//! again, in the same order and with the same names where Rust has them; what they print stands
//! beside asyncio's. The differences: no `async` and no `await`, since any function may wait; and no
//! second library for sockets, since a socket of `corobin::net` is used like one of `std::net`.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::time::Duration;

use corobin::net::{TcpListener, TcpStream};
use corobin::{JoinError, Runtime, gather, gather_results, sleep, spawn, to_thread, yield_now};

thread_local! {
    static PRINTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn print(line: impl Into<String>) {
    PRINTED.with_borrow_mut(|lines| lines.push(line.into()));
}

fn my_coroutine(delay: u64) {
    print(format!(
        "Coroutine started, sleeping for {delay} seconds..."
    ));
    sleep(Duration::from_secs(delay));
    print("Coroutine finished!");
}

/// `sleepers.py`
fn sleepers() {
    let task1 = spawn(|| my_coroutine(2));
    let task2 = spawn(|| my_coroutine(1));
    gather([task1, task2]).unwrap();
}

/// `fetch.py`
fn fetch() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    spawn(move || serve(listener.accept()?.0));
    let fetch_url = || -> io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        io::read_to_string(stream)
    };
    let response = fetch_url().unwrap();
    let (_, content) = response.split_once("\r\n\r\n").unwrap();
    print(format!("Fetched content: {}...", &content[..31]));
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.read_exact(&mut [0; 18])?;
    stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n<!doctype html><title>Example Domain</title>")
}

/// `to_thread.py`
fn blocking() {
    let (set, blocked) = mpsc::channel();
    let call = spawn(|| to_thread(move || blocked.recv().is_ok()));
    yield_now(); // let it begin
    print("The loop goes on...");
    set.send(()).unwrap();
    assert!(call.join().unwrap());
    print("The blocking call returns True");
}

struct ValueError(&'static str);

/// `exception.py`
fn exception() {
    let task = spawn(|| {
        sleep(Duration::from_secs(1));
        resume_unwind(Box::new(ValueError("Something went wrong!"))); // a panic, without its message
    });
    if let Err(JoinError::Panicked(e)) = task.join() {
        let ValueError(text) = *e.downcast().unwrap();
        print(format!("Caught an exception: {text}"));
    }
}

/// `gather.py`
fn gathering() {
    let tasks = [(6_u32, 3_u32), (1, 0), (8, 2)].map(|(a, b)| {
        spawn(move || {
            sleep(Duration::from_millis(100 * u64::from(b)));
            a.checked_div(b).ok_or("division by zero") // where Python raises, Rust returns
        })
    });
    for result in gather_results(tasks).into_iter().flatten() {
        print(result.map_or_else(|error| format!("error: {error}"), |it| it.to_string()));
    }
}

fn main() -> io::Result<()> {
    // Virtual time: the seconds of the article pass at once.
    let mut runtime = Runtime::builder().virtual_time(true).build()?;
    for (name, asyncio, program) in [
        ("sleepers", include_str!("sleepers.txt"), sleepers as fn()),
        ("fetch", include_str!("fetch.txt"), fetch),
        ("to_thread", include_str!("to_thread.txt"), blocking),
        ("exception", include_str!("exception.txt"), exception),
        ("gather", include_str!("gather.txt"), gathering),
    ] {
        runtime.run(program);
        println!("{:<57}corobin", format!("— {name}.py, asyncio —"));
        let ours = PRINTED.take();
        for (theirs, ours) in asyncio.lines().zip(&ours) {
            println!("{theirs:<57}{ours}");
        }
        assert!(asyncio.lines().eq(ours), "{name}: the outputs differ");
    }
    Ok(())
}
