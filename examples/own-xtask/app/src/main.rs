//! Says for which processor it was built.

fn main() {
    println!("{}", greeting());
}

fn greeting() -> String {
    format!("hello from {}", std::env::consts::ARCH)
}

#[test]
fn the_greeting_names_the_processor() {
    assert!(greeting().ends_with(std::env::consts::ARCH));
}
