//! Threads, what they share, what they own, and unwinding.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
#[cfg(target_has_atomic = "64")]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, RwLock, mpsc};
use std::thread;

const THREADS: u64 = 16;

#[test]
#[cfg_attr(not(has_threads), ignore = "this target has no threads")]
fn many_threads_share_a_mutex_and_a_channel() {
    let total = Arc::new(Mutex::new(0_u64));
    let (sender, receiver) = mpsc::channel();
    let threads: Vec<_> = (0..THREADS)
        .map(|id| {
            let (total, sender) = (Arc::clone(&total), sender.clone());
            thread::spawn(move || {
                for i in 0..500 {
                    *total.lock().unwrap() += i;
                    sender.send(id * 1000 + i).unwrap();
                }
            })
        })
        .collect();
    drop(sender);
    let mut received: Vec<_> = receiver.iter().collect();
    for thread in threads {
        thread.join().unwrap();
    }
    received.sort_unstable();
    received.dedup();
    assert_eq!(received.len() as u64, THREADS * 500);
    assert_eq!(*total.lock().unwrap(), THREADS * (499 * 500 / 2));
}

#[test]
#[cfg_attr(not(has_threads), ignore = "this target has no threads")]
fn atomics_count_without_a_lock() {
    let narrow = AtomicU32::new(0);
    // 64 bits go through a library or a kernel helper on some 32-bit processors, and on others Rust has them not at all.
    #[cfg(target_has_atomic = "64")]
    let wide = AtomicU64::new(u64::from(u32::MAX));
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for _ in 0..1000 {
                    narrow.fetch_add(1, Ordering::Relaxed);
                    #[cfg(target_has_atomic = "64")]
                    wide.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(u64::from(narrow.into_inner()), THREADS * 1000);
    #[cfg(target_has_atomic = "64")]
    assert_eq!(wide.into_inner(), u64::from(u32::MAX) + THREADS * 1000);
}

#[test]
#[cfg_attr(not(has_threads), ignore = "this target has no threads")]
fn a_condition_variable_wakes_every_waiter() {
    let turn = (Mutex::new(0), Condvar::new());
    let order = RwLock::new(Vec::new());
    thread::scope(|scope| {
        for id in (0..THREADS).rev() {
            let (turn, order) = (&turn, &order);
            scope.spawn(move || {
                let mut now = turn.1.wait_while(turn.0.lock().unwrap(), |now| *now != id).unwrap();
                order.write().unwrap().push(id);
                *now += 1;
                turn.1.notify_all();
            });
        }
    });
    assert_eq!(*order.read().unwrap(), (0..THREADS).collect::<Vec<_>>());
}

#[test]
#[cfg_attr(not(has_threads), ignore = "this target has no threads")]
fn every_thread_owns_its_locals_and_drops_them() {
    static DROPPED: AtomicU32 = AtomicU32::new(0);
    struct Guard(u64);
    impl Drop for Guard {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
    thread_local!(static OWN: RefCell<Option<Guard>> = const { RefCell::new(None) });
    let threads: Vec<_> = (0..THREADS)
        .map(|id| {
            thread::spawn(move || {
                OWN.with(|own| assert!(own.replace(Some(Guard(id))).is_none()));
                thread::yield_now();
                OWN.with(|own| own.borrow().as_ref().unwrap().0)
            })
        })
        .collect();
    for (id, thread) in threads.into_iter().enumerate() {
        assert_eq!(thread.join().unwrap(), id as u64);
    }
    assert_eq!(u64::from(DROPPED.load(Ordering::SeqCst)), THREADS);
}

/// Panics at the bottom, with something to drop in every frame.
fn dive(depth: u32, dropped: &AtomicU32) -> u32 {
    struct Frame<'a>(&'a AtomicU32);
    impl Drop for Frame<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let _frame = Frame(dropped);
    if depth == 0 {
        panic::resume_unwind(Box::new(42_u32));
    }
    dive(depth - 1, dropped) + 1
}

#[test]
#[cfg_attr(not(panic = "unwind"), ignore = "panics abort on this target")]
fn a_panic_unwinds_through_every_frame_to_its_catch() {
    let dropped = AtomicU32::new(0);
    let payload = panic::catch_unwind(AssertUnwindSafe(|| dive(50, &dropped))).unwrap_err();
    assert_eq!(*payload.downcast::<u32>().unwrap(), 42);
    assert_eq!(dropped.into_inner(), 51);
}

#[test]
#[cfg_attr(not(all(panic = "unwind", has_threads)), ignore = "panics abort on this target, or it has no threads")]
fn a_panic_in_a_thread_ends_only_that_thread() {
    let lock = Arc::new(Mutex::new(1));
    let theirs = Arc::clone(&lock);
    let result: thread::Result<()> = thread::spawn(move || {
        let _held = theirs.lock().unwrap();
        panic::resume_unwind(Box::new("in the thread"));
    })
    .join();
    assert_eq!(*result.unwrap_err().downcast::<&str>().unwrap(), "in the thread");
    assert!(lock.is_poisoned());
}
