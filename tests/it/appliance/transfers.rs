//! Files go to the appliance and come back, byte for byte.

use fasp_tests::tree;

use super::Bench;

const MEBIBYTE: u64 = 1 << 20;

#[test]
fn a_mebibyte_goes_up_and_comes_back_with_both_ciphers() {
    let Some(bench) = Bench::open() else { return };
    for cipher in ["aes128gcm", "aes128cfb"] {
        let source = bench.world.local(cipher);
        tree::write_file(&source, 1, MEBIBYTE);
        let up = bench.ascp().args(["-c", cipher]).arg(&source);
        up.arg(bench.at("/")).run().succeeded();
        let down = bench.ascp().args(["-c", cipher]);
        let there = format!("appliance@127.0.0.1:{cipher}");
        down.arg(there).arg("back").run().succeeded();
        tree::assert_same(&source, &bench.world.local("back"));
        std::fs::remove_file(bench.world.local("back")).unwrap();
    }
}
