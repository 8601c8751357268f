<?php
// What Composer would write: Debian's Laravel, and the application's own classes.
require 'Illuminate/autoload.php';
spl_autoload_register(function (string $class) {
    $file = dirname(__DIR__) . '/app/' . str_replace('\\', '/', substr($class, strlen('App\\'))) . '.php';
    if (str_starts_with($class, 'App\\') && is_file($file)) {
        require $file;
    }
});
