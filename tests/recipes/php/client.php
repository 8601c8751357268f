<?php
require 'Otp.php';
function ok(bool $is): void { if (!$is) { throw new LogicException('no'); } }
try { Otp::send('123'); ok(false); }
catch (Refused $refused) { ok($refused->getCode() === 400 && str_contains($refused->getMessage(), 'E.164')); }
$sent = Otp::send(Otp::number('+1 (415) 555-2671'));
ok(!Otp::check($sent['verification_id'], '000000'));
ok(Otp::check($sent['verification_id'], '735912'));
ok(!Otp::check($sent['verification_id'], '735912'));
echo "ok\n";
