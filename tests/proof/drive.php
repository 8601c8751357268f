<?php
declare(strict_types=1);

require __DIR__ . '/../../examples/proof/verify.php';

['keys' => $keys, 'cases' => $cases] = json_decode(stream_get_contents(STDIN), true);

foreach ($cases as $name => $wanted) {
    $token = $wanted['token'];
    unset($wanted['token']);
    try {
        $results[$name] = verify_proof($token, $keys, ...$wanted);
    } catch (Exception $error) { // not Error: a defect of the verifier is no refusal
        $results[$name] = $error->getMessage();
    }
}
echo json_encode($results);
