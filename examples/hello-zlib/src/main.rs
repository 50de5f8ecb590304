//! Compresses, unpacks or hashes standard input, and does the small things that the tests ask of a
//! program of their own target.

use std::env;
use std::error::Error;
use std::io::{self, Read, Write};
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut output = io::stdout().lock();
    match arguments.next().as_deref() {
        None => writeln!(output, "{}", hello_zlib::greeting())?,
        Some("pack") => output.write_all(&hello_zlib::compress(&input()?)?)?,
        Some("unpack") => output.write_all(&hello_zlib::decompress(&input()?)?)?,
        Some("digest") => writeln!(output, "{}", hello_zlib::digest(&input()?))?,
        Some("arguments") => {
            for argument in arguments {
                writeln!(output, "{argument}")?;
            }
        }
        Some("variable") => {
            let name = arguments.next().ok_or("variable takes a name")?;
            writeln!(output, "{}", env::var(name)?)?;
        }
        Some("exit") => {
            let code = arguments.next().ok_or("exit takes a number")?;
            return Ok(ExitCode::from(code.parse::<u8>()?));
        }
        Some(other) => {
            eprintln!("hello-zlib [pack | unpack | digest | arguments … | variable NAME | exit N], not {other}");
            return Ok(ExitCode::from(2));
        }
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn input() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}
