using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;

// ZLibStream is zlib behind managed code: the part that needs the target's C library and its zlib.
byte[] text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("hello from Native AOT, ", 100)));

using var packed = new MemoryStream();
using (var packer = new ZLibStream(packed, CompressionLevel.Optimal, leaveOpen: true))
{
    packer.Write(text);
}

packed.Position = 0;
using var unpacked = new MemoryStream();
using (var unpacker = new ZLibStream(packed, CompressionMode.Decompress))
{
    unpacker.CopyTo(unpacked);
}

bool same = unpacked.ToArray().AsSpan().SequenceEqual(text);
Console.WriteLine(
    $"{RuntimeInformation.RuntimeIdentifier} on {RuntimeInformation.ProcessArchitecture}: "
        + $"{text.Length} bytes packed to {packed.Length}, unpacked {(same ? "unharmed" : "damaged")}");
return same ? 0 : 1;
